"""bench.compare --threats: one table of methods by threats, with certificates, marks and what they mean."""

import csv
from pathlib import Path

import pytest

from bench import attack, compare
from bench.findings import threat_table
from bench.findings.threats import Threat, gather
from bench.findings.worst_case import worst_case
from bench.plan.errors import InputFileError
from bench.record.record import Record, read
from tests.helpers.cheap_run import write_volume
from tests.helpers.places import ROOT
from tests.helpers.rows import record, row
from tests.helpers.run_folder import write_run

VOLUMES = "abcde"
TINY = ["--steps", "2", "--acceleration", "2.5", "--center-fraction", "0.25"]


def run(
    folder, losses, *, cases=VOLUMES, flags=(), certified=None, confidence=None, clean=30.0, metric="psnr", **config
):
    """A run whose method loses `losses[method]` dB for each unit of epsilon, on images that differ."""
    config = {"threat": "noise", "eps": [0.02], "mask": "random", "acceleration": 4.0, "method": "l1"} | config
    rows = [
        row(
            case=case, volume=case, source=method, metric=metric, eps=eps, zero_filled=20.0, clean=clean + index,
            attacked=clean + index - loss * eps, flags=flags, certified=certified, certified_confidence=confidence,
        )
        for method, loss in losses.items()
        for eps in config["eps"]
        for index, case in enumerate(cases)
    ]  # fmt: skip
    return Record(folder, record(config=config), rows, [])


def told(*records, eps=None):
    table = gather(list(records), eps)
    return threat_table.cells(table), threat_table.notes(table)


def test_a_method_has_one_row_and_each_threat_a_column():
    part, notes = told(
        run("turned", {"l1": 0.5, "unet": 0.25}, threat="rotation", eps=[2.0]),
        run("noise", {"l1": 100.0, "unet": 50.0}, eps=[0.02, 0.05]),
        run("shaded", {"unet": 10.0}, threat="bias", eps=[0.1]),
    )
    assert part.about == "Mean PSNR [dB] over 5 images: clean, and under each method's own attack."
    assert part.head == [
        "method", "zero-filled", "clean", "noise 0.02", "noise 0.05", "rotation 2 degrees", "bias 0.1",
    ]  # fmt: skip
    assert part.rows == [
        ["l1", "20.00", "32.00", "30.00", "27.00", "31.00", "-"],
        ["unet", "20.00", "32.00", "31.00", "29.50", "31.50", "31.00"],
    ]
    half = 2.776445 * (2.5 / 5) ** 0.5
    assert notes == [
        f"The 95 % intervals of the attacked means, Student's t over volumes, are ± {half:.2f} dB.",
        "-: not attacked.",
    ]


def test_only_the_images_of_all_runs_count():
    part, notes = told(run("one", {"l1": 50.0}, cases="abcde"), run("other", {"tv": 50.0}, cases="cde", clean=32.0))
    assert part.about.startswith("Mean PSNR [dB] over 3 images:")
    assert [line[2] for line in part.rows] == ["33.00", "33.00"]
    assert "The means have no 95 % intervals, which need 5 volumes." in notes
    assert "2 further images are left out, because not every run has a result for it." in notes
    with pytest.raises(InputFileError, match="the runs share no image"):
        told(run("one", {"l1": 50.0}, cases="ab"), run("other", {"tv": 50.0}, cases="c"))


def test_a_certificate_stands_before_the_attack_and_its_confidence_once_below():
    part, notes = told(
        run("sense", {"sense": 100.0}, certified=25.0),
        run("smoothed", {"unet, smoothed 0.5": 100.0}, certified=12.0, confidence=0.95),
        run("unet", {"unet": 100.0}),
    )
    assert [line[-1] for line in part.rows] == ["[25.00, 30.00]", "[12.00, 30.00]", "30.00"]
    assert notes[0] == (
        "[certificate, attack]: no perturbation of the threat leaves a lower mean than the certificate; for smoothed "
        "methods with 95 % confidence for each image."
    )
    some = run("sense", {"sense": 100.0}, certified=25.0)
    some.rows[0] = run("sense", {"sense": 100.0}).rows[0]
    assert told(some)[0].rows[0][-1] == "30.00"  # an image without a bound


def test_flags_are_marks_that_are_explained():
    part, notes = told(
        run("l1", {"l1": 100.0}, flags=("not converged", "below its card")),
        run("tv", {"tv": 100.0}, flags=("below noise",)),
    )
    assert part.rows == [["l1", "20.00", "32.00 c", "30.00 b"], ["tv", "20.00", "32.00", "30.00 a"]]
    assert notes[-3:] == [
        "a: below noise, on at least one image: the attack was no stronger than noise of equal norm.",
        "b: not converged, on at least one image: twice the steps changed the attack's loss by over 2 %, so that more "
        "of them would find worse.",
        "c: below its card, on at least one image: its clean score is clearly below that on the card of its weights: "
        "weights, scale or crop.",
    ]


def test_another_mask_is_said():
    records = [run(name, {name: 50.0}) for name in ("l1", "tv")]
    records.append(run("mri_vn", {"mri_vn": 50.0}, mask="equispaced", acceleration=12.0))
    assert (
        "Masks are random, 4 times accelerated, but others for mri_vn (equispaced, 12 times accelerated), whose rows "
        "are not comparable with the rest."
    ) in told(*records)[1]
    assert not any("Masks" in note for note in told(*records[:2])[1])


def test_networks_of_one_method_are_told_apart():
    wide = run("wide", {"unet": 50.0}, weights="wide/weights.pt")
    narrow = run("narrow", {"unet": 100.0}, weights="narrow/weights.pt", clean=29.0)
    turned = run("turned", {"unet": 1.0}, weights="wide/weights.pt", threat="rotation", eps=[1.0])
    part, _ = told(wide, narrow, turned)
    assert [line[0] for line in part.rows] == ["unet (wide/weights.pt)", "unet (narrow/weights.pt)"]
    assert [line[-1] for line in part.rows] == ["31.00", "-"]


@pytest.mark.parametrize(
    ("other", "problem"),
    [
        ({}, "two: l1 has a result for noise 0.02 from another run"),
        ({"threat": "shift", "eps": [1.0], "clean": 31.0}, "two: l1 has a clean PSNR of 31.00 dB on a, and of 30.00"),
    ],
)
def test_results_that_do_not_belong_together_are_one_line(other, problem):
    with pytest.raises(InputFileError, match=problem):
        told(run("one", {"l1": 50.0}), run("two", {"l1": 50.0}, **other))


def test_epsilons_choose_columns_of_noise():
    records = [run("one", {"l1": 50.0}, eps=[0.0, 0.02, 0.05]), run("two", {"l1": 1.0}, threat="shift", eps=[1.0])]
    assert told(*records)[0].head[3:] == ["noise 0.02", "noise 0.05", "shift 1 pixels"]
    assert told(*records, eps=[0.05])[0].head[3:] == ["noise 0.05", "shift 1 pixels"]
    kspace = run("one", {"l1": 50.0}, norm="kspace")
    assert told(kspace)[0].head[3:] == ["noise (kspace) 0.02"]
    with pytest.raises(InputFileError, match="no result at these epsilons"):
        told(records[0], eps=[0.3])


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Tiny runs: linear methods and a smoothed one under noise, and SENSE moved."""
    folder = tmp_path_factory.mktemp("runs")
    volume = ["--data", str(write_volume(folder / "volume.h5", maps=False))]  # two usable slices of three
    linear = ["--method", "zero_filled", "sense"]
    smoothed = ["--method", "zero_filled", "--set", "smoothing=1.5", "certify=200", "average=center", "draws=3"]
    made = []
    for flags in (
        [*linear, "--eps", "0.02", "0.1"],
        [*smoothed, "--eps", "0.001", "--method-seed", "fresh"],
        ["--method", "sense", "--threat", "shift", "--eps", "1"],
    ):
        output = folder / str(len(made))
        assert attack.main([*flags, *TINY, *volume, "--output", str(output)]) == 1
        made.append(next(output.iterdir()))
    return [str(path) for path in made]


def test_no_cell_has_an_attack_below_its_certificate(folders):
    table = gather([read(folder) for folder in map(Path, folders)])
    pairs = [line for line in threat_table.cells(table).rows for line in line if line.startswith("[")]
    assert len(pairs) == 5
    for pair in pairs:
        certificate, attacked = map(float, pair[1:].partition("]")[0].split(", "))
        assert certificate <= attacked
    assert table.threats == [Threat("noise", 0.001), Threat("noise", 0.02), Threat("noise", 0.1), Threat("shift", 1.0)]


def test_the_command_prints_one_table_and_writes_it(folders, tmp_path, capsys):
    files = ["--csv", str(tmp_path / "means.csv"), "--latex", str(tmp_path / "table.tex")]
    assert compare.main(["--threats", *folders, *files]) == 0
    out = capsys.readouterr().out
    assert out.count("| method |") == 1
    assert "95 % confidence for each image" in out
    with (tmp_path / "means.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    known = [line for line in lines if line["metric"] == "psnr" and line["certified"]]
    assert {line["victim"].partition(",")[0] for line in known} == {"zero_filled", "sense"}
    assert {line["threat"] for line in known} == {"noise"}
    assert {line["threat"] for line in lines} == {"noise", "shift"}
    assert all(float(line["certified"]) <= float(line["attacked"]) for line in known)
    assert r"{[}certificate, attack{]}" in (tmp_path / "table.tex").read_text()


def test_no_kept_record_has_an_attack_below_its_certificate():
    records = [read(path.parent) for path in sorted((ROOT / "docs" / "records").glob("*/*/run.json"))]
    rows = [row for one in records for row in one.rows if row.metric == "psnr" and row.certified is not None]
    assert {row.victim for row in rows} >= {"zero_filled", "sense"}
    assert all(row.certified <= row.attacked for row in rows if row.source == row.victim)


def test_a_card_names_a_change_of_the_scan(tmp_path):
    methods = {"unet": {"method": "unet", "config": {}, "weights": {"sha256": "0"}}}
    folder = write_run(tmp_path / "records" / "turned", ("unet",), methods=methods)
    text = (folder / "run.json").read_text().replace('"threat": "noise"', '"threat": "shift"')
    (folder / "run.json").write_text(text)
    assert "| shift 0.02 pixels |" in worst_case(tmp_path, "0")
