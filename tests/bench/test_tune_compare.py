"""bench.tune and bench.compare: their choice, their output, and their one-line errors."""

import json
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from bench import compare, tune
from bench.findings import paired
from bench.slices.prepare import prepare
from bench.studies.tuning import tuning, worst_case
from bench.studies.tuning.tuned_file import read_tuned
from bench.training.data import training_examples
from data_prep import phantom
from data_prep.fourier import inverse
from jaxcs.attacks import scout
from jaxcs.recon import METHODS


def record(folder, method, offset, cases=("a", "b", "c"), settings=None, zero_filled=None, eps=(0.02, 0.05)):
    """A run folder with made-up numbers: SSIM is 0.5 + offset + 0.01 i, and lower by epsilon under attack."""
    folder.mkdir()
    run = {"config": {"method": method, "settings": settings or {}}, "status": "done", "threat_model": {}}
    run |= {"argv": [], "data": ""}
    (folder / "run.json").write_text(json.dumps(run))
    rows = []
    for i, case in enumerate(cases):
        for size in eps:
            for metric, scale in (("ssim", 1.0), ("psnr", 50.0)):
                value = scale * (0.5 + offset + 0.01 * i)
                states = {"clean": value, "noise": value - scale * size / 10, "attacked": value - scale * size}
                own = {"case": case, "volume": case, "source": method, "victim": method, "attack": "pgd", "flags": []}
                if zero_filled is not None:
                    states["zero_filled"] = scale * zero_filled
                rows.append({**own, "eps": size, "metric": metric, **states})
    rows.append({"case": "broken", "failed": "zero"})
    (folder / "images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def test_runs_are_compared_on_the_images_they_share(tmp_path, capsys):
    runs = [
        record(tmp_path / "one", "varnet", 0.2, zero_filled=0.4),
        # A record from before zero-filled images were scored.
        record(tmp_path / "two", "l1", 0.1, cases=("b", "c", "d"), settings={"lam": "0.1"}),
    ]
    assert compare.main(runs) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Means over 2 images")
    assert out[2] == "| method | zero-filled | clean | noise 0.02 | attacked 0.02 | noise 0.05 | attacked 0.05 |"
    # varnet on b and c: 0.71 and 0.72; l1: 0.60 and 0.61.
    assert out[4].startswith("| varnet | 20.00 / 0.400 | 35.75 / 0.715 | 35.65 / 0.713 | 34.75 / 0.695 |")
    assert out[5].startswith("| l1 lam=0.1 | - / - | 30.25 / 0.605 |")
    assert out[-1].startswith("| varnet - l1 lam=0.1 | +0.110 (+0.110 to +0.110) |")
    assert "In brackets: the range of the volumes' means, as fewer than 5 have no 95 % interval." in out[-5]


def test_the_columns_are_the_epsilons_that_all_runs_have(tmp_path, capsys):
    one = record(tmp_path / "one", "varnet", 0.2, eps=(0.01, 0.03, 0.08))
    other = record(tmp_path / "two", "l1", 0.1, eps=(0.08, 0.01))
    assert compare.main([one, other]) == 0
    head = "| method | zero-filled | clean | noise 0.01 | attacked 0.01 | noise 0.08 | attacked 0.08 |"
    assert capsys.readouterr().out.splitlines()[2] == head
    assert compare.main([one, record(tmp_path / "three", "tv", 0.1)]) == 3
    told = "the runs share no epsilon (varnet: 0.01 0.03 0.08; tv: 0.02 0.05); compare runs of equal epsilons"
    assert capsys.readouterr().err.strip().endswith(told)


def test_the_interval_is_that_of_the_differences():
    differences = [0.1, 0.3, 0.2, 0.25, 0.15]
    half = 2.776445 * np.std(differences, ddof=1) / np.sqrt(5)
    assert paired._interval(differences, list("abcde")) == f"+0.200 ± {half:.3f}"
    assert paired._interval(differences[:3], list("abc")) == "+0.200 (+0.100 to +0.300)"
    assert paired._interval([0.1], ["a"]) == "+0.100"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: ["nowhere"], "nowhere/run.json: is missing"),
        (lambda path: [record(path / "a", "l1", 0, ("a",)), record(path / "b", "tv", 0, ("b",))], "share no image"),
        (lambda path: [record(path / "a", "l1", 0), "--eps", "0.3"], "l1: has no epsilon 0.3; give --eps 0.02"),
        (lambda path: [record(path / "a", "l1", 0, cases=())], "every image of the run failed"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_line(change, problem, tmp_path, capsys):
    assert compare.main(change(tmp_path)) == 3
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]


def test_the_best_value_is_that_of_the_largest_ssim(capsys):
    flags = ["--method", "sense", "--try", "n_iters=1,4", "--images", "2"]
    assert tune.main([*flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["settings"] for one in found["candidates"]] == [{"n_iters": "1"}, {"n_iters": "4"}]
    assert found["images"] == 2
    assert all(0 < one["ssim"] < 1 for one in found["candidates"])
    assert found["best"] == max(found["candidates"], key=lambda one: one["ssim"])["settings"]


def made_up(monkeypatch, scored):
    """Let SSIM be the value of lam, and list the scored settings."""

    def score(slices, config, method_config, advance):
        scored.append(dict(config.settings))
        return float(scored[-1]["lam"]), 20.0

    monkeypatch.setattr(tuning, "_scores", score)
    monkeypatch.setattr(tuning, "prepare", lambda case, config: SimpleNamespace(doubts=()))


def test_what_the_file_holds_is_not_computed_again(tmp_path, monkeypatch, capsys):
    path, scored = tmp_path / "l1.json", []
    made_up(monkeypatch, scored)
    common = ["--images", "1", "--output", str(path)]
    assert tune.main(["--try", "lam=0.2,0.1", *common]) == 0
    assert tune.main(["--try", "lam=0.1,0.2,0.3", "n_iters=5", *common]) == 0
    assert tune.main(["--try", "lam=0.1,0.2", *common]) == 0
    assert [(one["lam"], one.get("n_iters")) for one in scored] == [
        ("0.2", None), ("0.1", None), ("0.1", "5"), ("0.2", "5"), ("0.3", "5"),
    ]  # fmt: skip
    stored = json.loads(path.read_text())
    assert stored["best"] == {"lam": "0.3", "n_iters": "5"}
    assert len(stored["candidates"]) == 5
    assert "lam=0.3 n_iters=5  0.3000   20.000  best" in capsys.readouterr().out
    # Scores of other images cannot be taken over.
    assert tune.main(["--try", "lam=0.1", "--images", "2", "--output", str(path)]) == 3
    assert f"--output {path}: its images is not that of this command" in capsys.readouterr().err


def test_what_was_scored_before_it_was_stopped_is_kept(tmp_path, monkeypatch):
    path, scored = tmp_path / "l1.json", []
    made_up(monkeypatch, scored)
    score = tuning._scores

    def stops(slices, config, method_config, advance):
        if len(scored) == 2:
            raise KeyboardInterrupt
        return score(slices, config, method_config, advance)

    flags = ["--try", "lam=0.1,0.2,0.3", "--images", "1", "--output", str(path)]
    monkeypatch.setattr(tuning, "_scores", stops)
    assert tune.main(flags) == 130
    assert len(json.loads(path.read_text())["candidates"]) == 2
    monkeypatch.setattr(tuning, "_scores", score)
    assert tune.main(flags) == 0
    assert [one["lam"] for one in scored] == ["0.1", "0.2", "0.3"]


def made_up_worst_case(monkeypatch, attacked):
    """Let SSIM under attack be 0.5 - lam - epsilon, PSNR 10 times as much, and list the attacked settings."""

    def scores(slices, config, method_config, asked, advance):
        lam = float(dict(config.settings)["lam"])
        attacked.append((lam, asked.eps, asked.search.config.n_steps))
        entries = []
        for eps in asked.eps:
            value = 0.5 - lam - eps
            interval = {"low": 0.0, "high": 1.0, "kind": "95 %", "volumes": 5}
            entries.append(asked.label(eps) | {"ssim": value, "psnr": 10 * value})
            entries[-1] |= {"ssim_interval": interval, "psnr_interval": None}
        return entries

    monkeypatch.setattr(tuning, "worst_case_scores", scores)


def test_the_worst_case_is_computed_where_it_is_missing(tmp_path, monkeypatch, capsys):
    path, attacked, scored = tmp_path / "l1.json", [], []
    made_up(monkeypatch, scored)
    made_up_worst_case(monkeypatch, attacked)
    common = ["--images", "1", "--output", str(path)]
    assert tune.main(["--try", "lam=0.1,0.2", *common]) == 0
    assert not path.with_suffix(".png").exists()
    # As version 0.1.0 wrote it.
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 1}))
    assert tune.main(["--try", "lam=0.1", "--worst-case", "0.05", *common]) == 0
    assert tune.main(["--try", "lam=0.1,0.2", "--worst-case", "0.05", "0.02", "0.05", *common]) == 0
    assert tune.main(["--try", "lam=0.1", "--worst-case", "0.02", "--steps", "7", *common]) == 0
    steps = scout.Config().n_steps
    assert attacked == [(0.1, (0.05,), steps), (0.1, (0.02,), steps), (0.2, (0.02, 0.05), steps), (0.1, (0.02,), 7)]
    assert len(scored) == 2
    found = read_tuned(path)
    assert found["schema_version"] == json.loads(path.read_text())["schema_version"] == 2
    assert found["best"] == {"lam": "0.2"}
    # The second run scored one of the two candidates, so the other candidate has no numbers in its table.
    assert [one["eps"] for one in found["candidates"][0]["worst_case"]] == [0.02, 0.02, 0.05]
    assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["lam=0.1", "0.1000", "20.000", "0.3500", "0.0000", "to", "1.0000", "3.500"] in lines
    assert ["lam=0.2", "0.2000", "20.000", "-", "-", "best"] in lines
    assert (
        "epsilon 0.02: best under attack is lam=0.1, with SSIM 0.3800 and PSNR 3.80 dB; lam=0.2, the best when clean, "
        "was not attacked so; when clean it costs SSIM 0.1000 and PSNR 0.00 dB"
    ) in out
    assert (
        "epsilon 0.05: best under attack is lam=0.1, with SSIM 0.3500 and PSNR 3.50 dB, +0.1000 and +1.00 dB from "
        "lam=0.2, the best when clean; when clean it costs SSIM 0.1000 and PSNR 0.00 dB"
    ) in out


def test_attacked_scores_are_of_the_methods_default_attack_on_each_image():
    """The scores fall with epsilon, each has its interval, and progress is reported for each image."""
    flags = ["--method", "zero_filled", "--try", "a=1", "--worst-case", "0.5", "0.1", "--steps", "1"]
    arguments = tune.parser().parse_args(flags)
    configuration = tune.configuration(arguments)
    asked, config = configuration.worst_case, configuration.base
    assert asked.label(0.5) == {"eps": 0.5, "attack": "scout", "steps": 1}
    examples, _ = training_examples(None, ("knee",), 2)
    slices = [prepare(examples.case(index), config) for index in range(2)]
    method_config, heard = METHODS["zero_filled"].config(), []
    small, large = worst_case.scores(slices, config, method_config, asked, lambda: heard.append(1))
    assert len(heard) == 2
    assert (small["eps"], large["eps"]) == (0.1, 0.5)
    assert small["psnr"] > large["psnr"] + 0.5
    interval = large["psnr_interval"]
    assert (interval["kind"], interval["volumes"]) == ("range", 2)
    assert interval["low"] < large["psnr"] < interval["high"]


def test_no_figure_is_drawn_of_several_settings_and_the_json_has_what_is_best(tmp_path, monkeypatch, capsys):
    made_up(monkeypatch, [])
    made_up_worst_case(monkeypatch, [])
    path = tmp_path / "l1.json"
    flags = ["--images", "1", "--output", str(path), "--worst-case", "0.1", "--json"]
    assert tune.main(["--try", "lam=0.3,0.1", "n_iters=5", *flags]) == 0
    out, err = capsys.readouterr()
    assert "note: no figure is drawn: it takes a single setting, whose values are numbers" in err
    assert not path.with_suffix(".png").exists()
    (best,) = json.loads(out)["best_under_attack"]
    assert best["settings"] == {"lam": "0.1", "n_iters": "5"}
    assert best["clean_best"] == {"lam": "0.3", "n_iters": "5"}
    assert best["cost"]["ssim"] == pytest.approx(0.2)
    assert best["gain"]["psnr"] == pytest.approx(2.0)


def test_combinations_are_all_or_drawn_without_replacement():
    grid = [("a", ("1", "2", "3")), ("b", ("4", "5"))]
    every = tuning.combinations(grid, None, 0)
    assert len(every) == 6
    assert every[1] == {"a": "1", "b": "5"}
    some = [tuning.combinations(grid, 4, seed) for seed in range(8)]
    assert all(len({tuple(one.items()) for one in drawn}) == 4 for drawn in some)
    assert all(one in every for drawn in some for one in drawn)
    assert some[0] == tuning.combinations(grid, 4, 0)
    assert any(drawn != some[0] for drawn in some)


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--try", "lamb=1"], 2, "--set lamb: l1 has no such setting; did you mean 'lam'?"),
        (["--try", "lam=-1"], 2, "--set: lam"),
        (["--try", "lam=0.1,0.1"], 2, "'lam=0.1,0.1' is not NAME=V,V,... of different values"),
        (["--try", "lam=0.1", "lam=0.2"], 2, "--try: a setting is named twice"),
        (["--try", "lam=0.1", "--data", "nowhere.h5"], 3, "--data nowhere.h5"),
        (["--try", "lam=0.1", "--output", "README.md"], 3, "README.md: is damaged or no file of bench.tune"),
        (["--try", "lam=0.1", "--worst-case", "0"], 2, "--worst-case: 0 must be above 0"),
        (["--try", "lam=0.1", "--steps", "3"], 2, "--steps: nothing is attacked; give --worst-case too"),
        (["--method", "varnet", "--try", "lam=1"], 2, "unknown name 'varnet'"),
    ],
)
def test_mistakes_are_one_line(flags, code, problem, capsys):
    assert tune.main(flags) == code
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]


@pytest.fixture
def under_sampled(tmp_path):
    """A scan with a mask and without ground truth, as of a scanner."""
    mask = np.abs(np.arange(32) - 15.5) < 5
    mask[::3] = True
    case = phantom.case("knee", "train", 0, (40, 32))
    images = inverse(case.kspace)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["kspace"] = np.where(mask, case.kspace, 0)[None]
        file["maps"] = (images / np.linalg.norm(images, axis=0))[None]
        file["mask"] = mask
    return tmp_path / "scan.h5"


def test_a_single_under_sampled_scan_chooses_without_ground_truth(under_sampled, tmp_path, capsys):
    path = tmp_path / "sense.json"
    flags = ["--method", "sense", "--data", str(under_sampled), "--held-out", "3", "--output", str(path)]
    assert tune.main([*flags, "--try", "lam=1e-6,0.01,10"]) == 0
    told = capsys.readouterr().out
    assert "SSIM" not in told
    stored = read_tuned(path)
    assert (stored["mask"], stored["acceleration"], stored["held_out"]) == ("of the file", None, 3)
    errors = {one["settings"]["lam"]: one["held_out"] for one in stored["candidates"]}
    assert stored["best"] == {"lam": min(errors, key=errors.get)}
    assert min(errors.values()) < 0.5
    assert errors["10"] == pytest.approx(1, abs=0.25)
    # Another number of parts is another error.
    assert tune.main([*flags, "--try", "lam=0.1", "--held-out", "4"]) == 3
    assert "its held_out is not that of this command" in capsys.readouterr().err


def test_beside_a_known_truth_the_choice_is_set_beside_that_by_ssim(capsys):
    assert tune.main(["--method", "sense", "--try", "lam=0.003,10", "--images", "1", "--held-out", "3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].split()[:4] == ["settings", "held-out", "SSIM", "PSNR"]
    assert out[-1].startswith("chosen without ground truth: lam=0.003, SSIM 0.")


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--method", "zero_filled", "--try", "x=1"], "zero_filled"),
        (["--method", "bpdn", "--try", "levels=1,2"], "--held-out: bpdn gives a magnitude"),
        (["--method", "sense", "--try", "lam=1", "--worst-case", "0.05"], "leave one of the two out"),
    ],
)
def test_held_out_samples_need_coil_images(flags, problem, capsys):
    assert tune.main([*flags, "--held-out", "2"]) == 2
    assert problem in capsys.readouterr().err.splitlines()[-1]
