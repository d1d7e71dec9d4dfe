"""Several methods and several networks of one method in one run, told apart by names; and runs with names."""

import csv
import json

import pytest

from bench import attack, compare
from bench.evaluate import subjects
from bench.findings import latex, paired
from bench.page.comparison import comparison
from bench.page.page import page_of
from bench.plan.command_line import command_line
from bench.plan.config import RunConfig
from bench.record.record import read
from tests.helpers.cheap_run import cheapen, write_volume
from tests.helpers.places import ROOT
from tests.helpers.run_folder import write_run

# Two networks of a few weights, which differ by rounding.
FILES = ROOT / "tests" / "parity" / "torch_files"
ONE, TWO = str(FILES / "unet.pt"), str(FILES / "unet_half.pt")


def configuration(*argv):
    return attack.configuration(attack.parser().parse_args(list(argv)))


def labels(*argv):
    """Labels and weights of the attacked methods, and the labels of those that are scored."""
    config = configuration(*argv)
    attacked = subjects.sources(config)
    return [(one.label, one.config.weights) for one in attacked], [
        one.label for one in subjects.victims(config, attacked)
    ]


def test_runs_without_the_new_fields_have_the_fingerprints_of_older_versions():
    assert RunConfig().fingerprint() == "52ee6c2d"
    assert RunConfig("unet", weights="x.pt", victims=("l1",), eps=(0.02,)).fingerprint() == "e6223f36"
    assert RunConfig("all").fingerprint() == "76a5873b"
    assert configuration("--name", "mine") == RunConfig()


@pytest.mark.parametrize(
    "argv",
    [
        ["--method", "l1", "unet", "tv", "--victims", "sense"],
        ["--method", "unet", "--weights", f"a={ONE}", "--weights", f"b={TWO}", ONE],
        ["--method", "unet", "--weights", "folder/lam=1/x.pt"],
    ],
)
def test_they_are_in_the_record_and_in_the_command_that_repeats_it(argv):
    config = configuration(*argv)
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert configuration(*command_line(config)) == config
    assert config.fingerprint() != RunConfig(config.method).fingerprint()


def test_a_file_whose_name_has_an_equals_sign_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lam=1.pt").touch()
    assert configuration("--method", "unet", "--weights", "lam=1.pt").weights == "lam=1.pt"
    assert configuration("--method", "unet", "--weights", "lam=2.pt").networks == (("lam", "2.pt"),)


@pytest.mark.parametrize(
    ("argv", "attacked", "scored"),
    [
        ([], [("l1", None)], ["l1"]),
        (["--method", "l1", "sense"], [("l1", None), ("sense", None)], ["l1", "sense"]),
        (["--method", "l1", "sense", "--victims", "l1", "tv"], [("l1", None), ("sense", None)], ["l1", "sense", "tv"]),
        # The number of iterations is in the label of a solver that stops early, and not in its name.
        (
            ["--method", "l1", "--victims", "l1", "sense", "--set", "l1.tolerance=0", "l1.n_iters=9"],
            [("l1 at 9 iterations", None)],
            ["l1 at 9 iterations", "sense"],
        ),
        (["--method", "unet", "--weights", TWO], [("unet", TWO)], ["unet"]),
        # A file without a name is of the method that takes it.
        (["--method", "l1", "unet", "--weights", TWO], [("l1", None), ("unet", TWO)], ["l1", "unet"]),
        (
            ["--method", "l1", "unet", "--weights", f"b={TWO}", f"k={ONE}"],
            [("l1", None), ("b", TWO), ("k", ONE)],
            ["l1", "b", "k"],
        ),
        (["--method", "sense", "--victims", "unet", "--weights", f"b={TWO}"], [("sense", None)], ["sense", "b"]),
        (
            ["--method", "unet", "--victims", "unet", "l1", "--weights", TWO, f"k={ONE}"],
            [("unet", TWO), ("k", ONE)],
            ["unet", "k", "l1"],
        ),
        (
            ["--method", "unet_complex", "ttt_unet", "--weights", "n=unet_complex-phantom-knee"],
            [("unet_complex n", "unet_complex-phantom-knee"), ("ttt_unet n", "unet_complex-phantom-knee")],
            ["unet_complex n", "ttt_unet n"],
        ),
    ],
)
def test_each_method_and_each_network_is_attacked_under_a_label_of_its_own(argv, attacked, scored):
    assert labels(*argv) == (attacked, scored)


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--method", "l1", "tv", "l1"], "--method l1: is named twice; name it once"),
        (["--method", "l1", "all"], "--method all: stands for several methods; name it alone"),
        (["--method", "l1", "tv", "--set", "lam=1"], "--set lam: several methods are run; write METHOD.lam"),
        (["--method", "unet", "--weights", ONE, TWO], "--weights: several files cannot be told apart; give each a"),
        (["--method", "unet", "--weights", f"a={ONE}", f"a={TWO}"], "--weights a: is named twice"),
        (["--method", "varnet", "--weights", f"a={ONE}"], "--weights a: they are weights of unet; name unet in"),
        (["--method", "basis", "--weights", ONE], f"--weights {ONE}: they are weights of unet; name unet in"),
        # The scores of the zero-filled images, or the pictures of the control, would be those of the network.
        (["--method", "unet", "--weights", f"zero_filled={ONE}"], "--weights zero_filled: is another name already"),
        (["--method", "unet", "--weights", f"noise={ONE}"], "--weights noise: is another name already"),
        (["--method", "unet", "--weights", f"unet={ONE}", TWO], "--weights unet: is another name already"),
    ],
)
def test_what_cannot_be_told_apart_is_one_line(argv, problem, tmp_path, capsys):
    assert attack.main([*argv, "--output", str(tmp_path / "runs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert problem in line
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["", "a/b", "../x", "-x", "a|b", "a b", "x" * 41, "a\n"])
def test_a_name_can_be_part_of_a_files_name(name, capsys):
    for argv in ([f"--name={name}"], ["--weights", f"{name}=x.pt"] if name and "/" not in name else ["--name", ""]):
        assert attack.main(["--method", "unet", *argv]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of a run of two methods, of which one has two networks."""
    place = tmp_path_factory.mktemp("several")
    volume = write_volume(place / "volume.h5", images=2)
    flags = ["--method", "zero_filled", "unet", "--weights", f"one={ONE}", "--weights", f"two={TWO}"]
    flags += ["--data", str(volume), "--attack", "noise", "--eps", "0.05", "--acceleration", "2.5"]
    flags += ["--center-fraction", "0.25", "--limit", "1", "--output", str(place / "runs"), "--name", "widths"]
    with pytest.MonkeyPatch.context() as patch:
        cheapen(patch)
        assert attack.main(flags) == 0
    (made,) = (place / "runs").iterdir()
    return made


def test_one_run_one_record_one_page_and_one_table(folder, capsys, tmp_path, monkeypatch):
    cheapen(monkeypatch)
    record = json.loads((folder / "run.json").read_text())
    assert folder.name.endswith(f"-widths-{record['fingerprint']}")
    assert (record["name"], list(record["methods"])) == ("widths", ["zero_filled", "one", "two"])
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert {(row["source"], row["victim"]) for row in rows} == {(name, name) for name in record["methods"]}
    assert len({row["clean"] for row in rows if row["metric"] == "psnr"}) == 3
    with (folder / "summary.csv").open() as file:
        assert {row["victim"] for row in csv.DictReader(file)} == set(record["methods"])
    page = page_of(folder).decode()
    assert "<title>widths: zero_filled, one, two under pgd</title>" in page
    assert "Run: widths. Data: " in page
    capsys.readouterr()
    # What is done is told again.
    assert attack.main(["--resume", str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "widths:"
    assert [line.split()[0] for line in out[2:5]] == ["zero_filled", "zero_filled", "one"]
    assert compare.main([str(folder), "--eps", "0.05", "--csv", str(tmp_path / "new" / "means.csv")]) == 0
    table = capsys.readouterr().out
    assert "| one (widths) - two (widths) |" in table
    with (tmp_path / "new" / "means.csv").open() as file:
        found = {row["victim"]: row["clean"] for row in csv.DictReader(file) if row["metric"] == "psnr"}
    assert found == {f"{row['victim']} (widths)": str(row["clean"]) for row in rows if row["metric"] == "psnr"}


def test_it_is_made_again_byte_for_byte_and_keeps_its_name(folder, capsys, monkeypatch):
    cheapen(monkeypatch)
    names = ("images.jsonl", "searches.jsonl", "summary.csv", "pictures.npz")
    before = {name: (folder / name).read_bytes() for name in names}
    for name in names:
        (folder / name).unlink()
    assert attack.main(["--resume", str(folder)]) == 0
    assert {name: (folder / name).read_bytes() for name in names} == before
    assert read(folder).run.name == "widths"
    capsys.readouterr()
    assert attack.main(["--resume", str(folder), "--name", "other"]) == 2
    assert "--name: the run in " in capsys.readouterr().err


def test_weights_beside_a_record_change_what_they_name(folder):
    file = str(folder / "run.json")

    def repeated(*argv):
        arguments = attack.parser().parse_args(["--config", file, *argv])
        return configuration(*attack.words_of(arguments), *argv)

    assert repeated().networks == (("one", ONE), ("two", TWO))
    assert repeated("--weights", f"two={TWO}").networks == (("one", ONE), ("two", TWO))
    assert repeated("--method", "tv").attacked == ("tv",)


def record(folder, label, weights=None, **changes):
    run = write_run(folder, (label,), shape=(8, 7))
    content = json.loads((run / "run.json").read_text())
    content["config"]["weights"] = weights
    (run / "run.json").write_text(json.dumps(content | changes))
    return run


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([{}, {"name": "wide"}], ["unet", "unet (wide)"]),
        ([{"weights": "u3/weights.safetensors"}, {}], ["unet (u3/weights.safetensors)", "unet (shipped weights)"]),
        ([{"weights": "a/x.pt"}, {"weights": "b/x.pt"}], ["unet (a/x.pt)", "unet (b/x.pt)"]),
        ([{"weights": "x.pt"}, {"weights": "x.pt"}], ["unet (run0)", "unet (run1)"]),
        # Weights in these runs are those of other methods.
        (
            [
                {"weights": f"{name}.pt", "methods": {"unet": {"method": "l1", "config": {}, "weights": None}}}
                for name in "ab"
            ],
            ["unet (run0)", "unet (run1)"],
        ),
    ],
)
def test_runs_of_one_method_are_told_apart(runs, told, tmp_path, capsys):
    folders = [record(tmp_path / f"run{index}", "unet", **one) for index, one in enumerate(runs)]
    assert [one.label for one in paired.told_apart([read(folder) for folder in folders])] == told
    assert compare.main([*map(str, folders)]) == 0
    assert f"| {told[0]} - {told[1]} |" in capsys.readouterr().out
    page = comparison(folders).decode()
    assert all(f"</span> {label}<" in page for label in told)
    # The images of both are on the page.
    assert all(f'"{label}|{label}|0.05"' in page for label in told)


def test_tables_in_latex_escape_what_latex_would_read(tmp_path, capsys):
    assert latex.table("50 %", ["a_b", "c"], [["x&y", "-1 ± 2"]]).splitlines() == [
        "\\begin{table}",
        "  \\centering",
        "  \\caption{50 \\%}",
        "  \\begin{tabular}{lr}",
        "    \\toprule",
        "    a\\_b & c \\\\",
        "    \\midrule",
        "    x\\&y & $-$1 $\\pm$ 2 \\\\",
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    runs = [str(record(tmp_path / name, name)) for name in ("unet_complex", "l1")]
    assert compare.main([*runs, "--latex", str(tmp_path / "table.tex")]) == 0
    written = (tmp_path / "table.tex").read_text()
    assert written.count("\\toprule") == 2
    assert "\n    unet\\_complex & 20.50 / 0.500 & " in written
    assert "unet\\_complex - l1 & +0.000 " in written


def test_files_that_cannot_be_written_are_one_line_and_nothing_is_replaced(tmp_path, capsys):
    run = str(record(tmp_path / "run", "l1"))
    for flags, code, problem in (
        (["--csv", str(tmp_path)], 4, "cannot be written: it is no regular file"),
        (["--latex", str(tmp_path / "run" / "run.json" / "x.tex")], 4, "cannot be written: "),
        (["--csv", "x", "--latex", "x"], 2, "--latex x: is the file of --csv; name two files"),
        (["--csv", str(tmp_path / "x.csv"), "--eps", "0.3"], 3, "has no epsilon 0.3"),
    ):
        assert compare.main([run, *flags]) == code
        out, err = capsys.readouterr()
        assert (out, len(err.splitlines())) == ("", 1)
        assert problem in err
    assert not (tmp_path / "x.csv").exists()


def test_a_damaged_network_of_a_record_is_one_line(tmp_path, capsys):
    run = record(tmp_path / "run", "unet")
    content = json.loads((run / "run.json").read_text())
    for networks in ([["a"]], "x", [["a\n", "b"]], [[1, 2]]):
        content["config"]["networks"] = networks
        (run / "run.json").write_text(json.dumps(content))
        assert compare.main([str(run)]) == 3
        assert "run.json: is damaged or no file of bench.attack ('config': 'networks': " in capsys.readouterr().err
