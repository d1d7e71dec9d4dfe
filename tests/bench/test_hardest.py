"""bench.hardest and bench.attack --only: the choice, the statistics next to it, and their one-line errors."""

import csv
import json

import h5py
import numpy as np
import pytest

from bench import attack, hardest
from bench.figures import hard_images
from bench.figures import low_frequency as figure
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.plan.intervals import of_difference
from bench.record.record import read
from bench.slices import sources
from bench.slices.case_list import as_csv, listed
from bench.studies.hardest import hard_for_others
from bench.studies.hardest.spectra import Spectrum, low_frequency, sentences
from data_prep import phantom
from data_prep.files import list_cases
from data_prep.shifts import shifted
from jaxcs.spectrum import centre_energy
from tests.helpers.run_folder import write_run

SHAPE = (40, 32)
LOWER = "hard images have a lower share of their energy at low frequencies (ICML 2021, Fig. 14)"


def volume(path, slices, **datasets):
    """A file of fastMRI's layout with random k-space."""
    rng = np.random.RandomState(slices)
    kspace = rng.normal(size=(slices, 2, 16, 14)) + 1j * rng.normal(size=(slices, 2, 16, 14))
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace.astype(np.complex64)
        for name, value in datasets.items():
            file[name] = value
    return path


def record(folder, data, scores, labels=("unet",), **settings):
    """A run on `data` with clean SSIM `scores`, by case; PSNR is in the opposite order."""
    config = {"method": labels[0] if len(labels) == 1 else "all", "settings": {}, "victims": [], "threat": "noise"}
    config |= {"data": None if data is None else str(data), "phantom": "knee", "mask": "random", "region": None}
    config |= {"acceleration": 4.0, "center_fraction": 0.25, "norm": "measured", "eps": [0.02, 0.05], "seed": 0}
    write_run(folder, labels, tuple(scores), config=config | settings)
    lines = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    for row in lines:
        row["clean"] = {"ssim": 1, "psnr": -1, "nmse": 0}[row["metric"]] * scores[row["case"]]
    (folder / "images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    return folder


def run(capsys, *arguments):
    """Run the command; returns exit code, lines of stdout, and the last line of stderr."""
    code = hardest.main([*map(str, arguments)])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return code, captured.out.splitlines(), (captured.err.splitlines() or [""])[-1]


def cases(path):
    with path.open(newline="") as file:
        return [row["case"] for row in csv.DictReader(file)]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    volume(folder / "a.h5", 7)
    volume(folder / "b.h5", 4)
    return folder


def test_the_lowest_are_chosen_and_ties_broken_by_name(capsys, tmp_path, data):
    scores = {"b.h5:1": 0.5, "a.h5:0": 0.9, "a.h5:3": 0.5, "a.h5:1": 0.25, "b.h5:0": 0.8}
    run_folder = record(tmp_path / "run", data, scores)
    code, out, _ = run(capsys, run_folder, "--count", 3, "--output", tmp_path / "hard.csv")
    assert code == 0
    assert (tmp_path / "hard.csv").read_text().splitlines() == [
        "volume,slice,case,score",
        "a.h5,1,a.h5:1,0.25",
        "a.h5,3,a.h5:3,0.5",
        "b.h5,1,b.h5:1,0.5",
    ]
    assert out[0] == f"3 of 5 images in {tmp_path / 'hard.csv'}: ssim 0.25 to 0.5, of all 0.25 to 0.9"
    assert out[1].startswith("low-frequency energy, the share of k-space energy in the central 25 % of the columns: ")
    assert "in the subset (3 of 2 volumes)" in out[1]
    stored = json.loads((tmp_path / "hard.json").read_text())
    assert stored["findings"] == out[1:]
    assert stored["argv"][-2:] == ["--output", str(tmp_path / "hard.csv")]
    assert {one["case"]: one["chosen"] for one in stored["cases"]} == {
        case: case in cases(tmp_path / "hard.csv") for case in scores
    }
    assert (stored["method"], stored["metric"]) == ("unet", "ssim")
    assert (tmp_path / "hard.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "hard-images.png").read_bytes().startswith(b"\x89PNG")


def test_hard_images_are_shown_with_every_method_of_the_runs(tmp_path, data, monkeypatch):
    drawn = []
    monkeypatch.setattr(hard_images, "show", lambda axes, image, *_: drawn.append((axes, image)))
    both = record(tmp_path / "both", data, {"a.h5:0": 0.9, "a.h5:1": 0.2}, labels=("l1", "unet"))
    other = record(tmp_path / "other", data, {"a.h5:1": 0.7}, labels=("varnet",))
    runs = [read(both)], [read(other)]
    assert hard_images.draw(["a.h5:1", "a.h5:0"], "unet", *runs, "ssim").startswith(b"\x89PNG")
    titles = [axes.get_title() for axes in drawn[0][0].figure.axes]
    assert titles == [
        "a.h5:1", "unet 0.200", "l1 0.200", "varnet 0.700",
        "a.h5:0", "unet 0.900", "l1 0.900", "varnet not in this run",
    ]  # fmt: skip
    assert len(drawn) == 7
    with np.load(both / "pictures.npz") as pictures:
        np.testing.assert_array_equal(drawn[1][1], pictures["a.h5:1|unet|clean"].astype(np.float32))


def test_the_metric_decides(capsys, tmp_path, data):
    run_folder = record(tmp_path / "run", data, {"a.h5:0": 0.9, "a.h5:1": 0.2})
    run(capsys, run_folder, "--count", 1, "--metric", "psnr", "--output", tmp_path / "hard.csv")
    assert cases(tmp_path / "hard.csv") == ["a.h5:0"]


def test_the_middle_is_that_of_the_volume_not_of_what_the_run_has_seen(capsys, tmp_path, data):
    seen = record(tmp_path / "run", data, {f"a.h5:{index}": 0.1 * (index + 1) for index in range(5)})
    code, out, _ = run(capsys, seen, "--middle", 3, "--output", tmp_path / "hard.csv")
    assert code == 0
    assert cases(tmp_path / "hard.csv") == ["a.h5:2", "a.h5:3", "a.h5:4"]
    assert out[0].startswith("3 of 3 images")
    assert out[1] == "there is nothing to compare: every case is in the subset, or holds only a part of its k-space"
    whole = record(tmp_path / "whole", data, {f"b.h5:{index}": 0.5 for index in range(4)})
    run(capsys, whole, "--middle", 5, "--output", tmp_path / "hard.csv")
    assert len(cases(tmp_path / "hard.csv")) == 4
    edge = record(tmp_path / "edge", data, {"a.h5:0": 0.5})
    code, _, error = run(capsys, edge, "--middle", 1, "--output", tmp_path / "hard.csv")
    assert code == 3
    assert error.endswith("holds no ssim of unet among the 1 middle slices of any volume; name other runs")


def test_what_is_hard_for_one_is_set_beside_what_is_hard_for_others(capsys, tmp_path, data):
    names = [f"{volume}:{index}" for volume in ("a.h5", "b.h5") for index in range(4)]
    score = dict(zip(names, (0.1, 0.2, 0.6, 0.7, 0.15, 0.25, 0.8, 0.9), strict=True))
    mine = record(tmp_path / "mine", data, score)
    same = record(tmp_path / "same", data, {case: value / 2 for case, value in score.items()}, labels=("l1",))
    other = record(tmp_path / "other", data, {case: 1 - value for case, value in score.items()}, labels=("tv",))
    flags = (mine, "--count", 4, "--output", tmp_path / "hard.csv", "--others")
    code, out, error = run(capsys, *flags, same, other)
    assert code == 0, error
    assert out[-3].startswith("for l1 the subset is not known to be harder: ssim 0.0875, the rest 0.375, a difference")
    assert out[-3].endswith(
        "of -0.287 (-0.35 to -0.225, range of 2 volumes) (8 images, rank correlation of the scores 1.00 (too few to "
        "tell))"
    )
    assert out[-2].startswith("for tv the subset is not known to be harder: ssim 0.825, the rest 0.25")
    assert out[-1] == "published: images that are hard for one method are hard for all: cannot tell"
    stored = json.loads((tmp_path / "hard.json").read_text())["others"]
    assert [one["method"] for one in stored] == ["l1", "tv"]
    for name, settings, problem in (("r", {"acceleration": 8.0}, "its acceleration"), ("n", {}, "shares no images")):
        with_one = record(tmp_path / name, data, {"a.h5:0": 0.5}, **settings)
        code, _, error = run(capsys, *flags, with_one)
        assert (code, problem in error) == (3, True), error


def test_images_are_hard_for_all_only_if_every_interval_says_so():
    def method(name, low, high):
        interval = {"low": low, "high": high, "kind": "95 %", "volumes": 20}
        means = {"chosen": 0.7, "rest": 0.7 - (low + high) / 2, "difference": (low + high) / 2}
        return means | {"method": name, "images": 20, "volumes": 20, "interval": interval, "correlation": 0.5}

    lower, same, higher = method("l1", -0.2, -0.1), method("unet", -0.02, 0.01), method("tv", 0.1, 0.2)
    said = hard_for_others.sentences([lower, same, higher], "ssim")
    assert said[0].startswith("for l1 the subset is harder: ssim 0.7, the rest 0.85, a difference of -0.15 ± 0.05 (20")
    assert said[0].endswith("rank correlation of the scores 0.50 (95 %: 0.05 to 0.78))")
    assert said[1].startswith("for unet the subset is not clearly harder")
    assert said[2].startswith("for tv the subset is easier")
    assert said[3].endswith("are hard for all: in part")
    assert hard_for_others.sentences([lower, lower], "ssim")[-1].endswith("are hard for all: yes")
    assert hard_for_others.sentences([same], "ssim")[-1].endswith("are hard for all: not excluded")
    assert hard_for_others.sentences([], "ssim") == []


def test_the_interval_of_a_difference_is_that_of_two_means():
    values = np.random.RandomState(0).normal(size=40)
    chosen = np.arange(40) < 10
    # For volumes of one slice each: Welch's standard error, except for small differences of the divisors.
    found = of_difference(values.tolist(), list(map(str, range(40))), chosen.tolist())
    # Student's t of the side with fewer volumes.
    expected = 2.262157 * np.sqrt(10 / 9 * (values[chosen].var() / 10 + values[~chosen].var() / 30))
    assert (found.high - found.low) / 2 == pytest.approx(expected)


def test_of_shifted_runs_the_spectra_are_those_of_shifted_scans(capsys, tmp_path, data):
    shares = []
    for name, shift in (("plain", {}), ("shifted", {"contrast": 2.0})):
        folder = record(tmp_path / name, data, {"a.h5:0": 0.9, "a.h5:1": 0.2}, shift=shift)
        assert run(capsys, folder, "--count", 1, "--output", tmp_path / f"{name}.csv")[0] == 0
        shares.append([one["share"] for one in json.loads((tmp_path / f"{name}.json").read_text())["cases"]])
    found = list_cases(str(data), validation=True)
    scans = [found.read(info) for info in found.slices if info.name in ("a.h5:0", "a.h5:1")]
    for changes, share in zip(((), (("contrast", 2.0),)), shares, strict=True):
        np.testing.assert_allclose([centre_energy(shifted(scan, changes).kspace, 4) for scan in scans], share)
    assert shares[0] != pytest.approx(shares[1], rel=1e-2)


def test_several_runs_are_one(capsys, tmp_path, data):
    one = record(tmp_path / "one", data / "a.h5", {"a.h5:0": 0.9, "a.h5:1": 0.2})
    two = record(tmp_path / "two", data, {"b.h5:1": 0.1, "a.h5:1": 0.2})
    code, out, _ = run(capsys, one, two, "--output", tmp_path / "hard.csv")
    assert code == 0
    assert out[0].startswith("3 of 3 images")
    assert cases(tmp_path / "hard.csv") == ["b.h5:1", "a.h5:1", "a.h5:0"]


def test_of_several_methods_one_is_named(capsys, tmp_path, data):
    both = record(tmp_path / "run", data, {"a.h5:0": 0.9, "a.h5:1": 0.2}, labels=("l1", "unet"))
    code, _, error = run(capsys, both, "--output", tmp_path / "hard.csv")
    assert (code, error) == (2, "bench.hardest: error: --method: the runs are of l1, unet; name one of them")
    code, *_ = run(capsys, both, "--method", "unet", "--output", tmp_path / "hard.csv")
    assert code == 0


@pytest.mark.parametrize(
    ("change", "code", "problem"),
    [
        (lambda path, data: [path / "nowhere"], 3, "nowhere/run.json: is missing"),
        (lambda path, data: [record(path / "a", data / "gone.h5", {"a.h5:0": 1})], 3, "the data of this run cannot be"),
        (lambda path, data: [record(path / "a", data, {"a.h5:9": 1})], 3, "its data no longer hold a.h5:9"),
        (lambda path, data: [record(path / "a", data, {"a.h5:0": 1}), "--method", "l1"], 2, "a is of unet"),
        (
            lambda path, data: [record(path / x, data, {"a.h5:0": s}) for x, s in (("a", 1), ("b", 0.9))],
            3,
            "a.h5:0 scores 0.9 here and 1 in another run",
        ),
        (
            lambda path, data: [
                record(path / x, data, {"a.h5:0": 1}, acceleration=r) for x, r in (("a", 4.0), ("b", 8.0))
            ],
            3,
            "b: its acceleration is not that of",
        ),
        (lambda path, data: [record(path / "a", data, {"a.h5:0": 1}), "--count", "0"], 2, "must be at least 1"),
        (lambda path, data: [record(path / "a", data, {"a.h5:0": 1}), "--metric", "nmse"], 2, "'nmse'"),
        (lambda path, data: [record(path / "a", data, {"a.h5:0": 1}, center_fraction=None)], 3, "is damaged"),
        (lambda path, data: [record(path / "a", data, {"a.h5:0": 1}, center_fraction=0.001)], 3, "rounds to none"),
    ],
)
def test_a_mistake_is_one_line(capsys, tmp_path, data, change, code, problem):
    found, _, error = run(capsys, *change(tmp_path, data), "--output", tmp_path / "hard.csv")
    assert found == code, error
    assert error.startswith("bench.hardest: error: ")
    assert problem in error


def test_an_output_that_cannot_be(capsys, tmp_path, data):
    run_folder = record(tmp_path / "run", data, {"a.h5:0": 0.9})
    code, _, error = run(capsys, run_folder, "--output", tmp_path / "hard.json")
    assert (code, "the list is a .csv file" in error) == (2, True)
    code, _, error = run(capsys, run_folder, "--output", tmp_path / "no" / "hard.csv")
    assert (code, "cannot write" in error) == (4, True)


def test_scans_that_come_under_sampled_have_no_share(capsys, tmp_path):
    mask = np.arange(14) % 2 == 0
    path = volume(tmp_path / "half.h5", 2, mask=mask, reconstruction_rss=np.ones((2, 16, 14), np.float32))
    run_folder = record(tmp_path / "run", path, {"half.h5:0": 0.9, "half.h5:1": 0.8})
    code, out, _ = run(capsys, run_folder, "--count", 1, "--output", tmp_path / "hard.csv")
    assert code == 0
    assert out[1] == "2 images hold no whole k-space and are left out of what follows"
    assert not (tmp_path / "hard.png").exists()


def test_the_phantom_is_made_again(capsys, tmp_path):
    scores = {phantom.case_name("knee", "test", index): score for index, score in enumerate((0.5, 0.4))}
    run_folder = record(tmp_path / "run", None, scores)
    code, *_ = run(capsys, run_folder, "--count", 1, "--output", tmp_path / "hard.csv")
    assert code == 0
    assert cases(tmp_path / "hard.csv") == ["phantom-knee-test-0001:0"]
    source = sources.open_source(RunConfig(only=str(tmp_path / "hard.csv")))
    assert [case.name for case in source.read(source.positions)] == cases(tmp_path / "hard.csv")
    assert "only those of" in source.description


def spectra(shares, chosen, volumes, profiles):
    names = [f"case {index}" for index in range(len(shares))]
    return [Spectrum(*one) for one in zip(names, volumes, chosen, shares, profiles, strict=True)]


def test_the_finding_says_which_way_it_went():
    rng = np.random.RandomState(0)
    chosen = [True] * 6 + [False] * 8
    noise = 0.01 * rng.normal(size=14)
    volumes = [str(index) for index in range(14)]
    steep, flat = np.linspace(2, 0.1, 21), np.full(21, 1.05)
    profiles = [flat if one else steep for one in chosen]
    lower = low_frequency(spectra(0.8 - 0.1 * np.array(chosen) + noise, chosen, volumes, profiles), 0.08)
    said = sentences(lower)
    assert "central 8 % of the columns" in said[0]
    assert said[1].startswith("the subset has a lower share of low-frequency energy, -0.")
    assert said[1].endswith("(published, that " + LOWER + ": yes)")
    assert said[2] == (
        "along the vertical line the curves cross at frequency 10 (the paper's at 45): the subset has less energy "
        "below it and more above, at 95 % of the frequencies"
    )
    # With one slice a volume: the standard errors of both means.
    subset, rest = (np.array(noise)[np.array(chosen) == wanted] for wanted in (True, False))
    variance = 6 / 5 * sum(np.sum((one - one.mean()) ** 2) / one.size**2 for one in (subset, rest))
    interval = lower["difference"]["interval"]
    assert (interval["high"] - interval["low"]) / 2 == pytest.approx(2.570582 * np.sqrt(variance))
    higher = low_frequency(spectra(0.8 + 0.1 * np.array(chosen) + noise, chosen, volumes, [flat] * 14), 0.08)
    assert sentences(higher)[1].endswith(LOWER + ": no)")
    assert "no one frequency parts the curves: the subset has less energy at 0 % of the freq" in sentences(higher)[2]
    same = low_frequency(spectra(0.8 + noise, chosen, volumes, profiles), 0.08)
    assert sentences(same)[1].startswith("no difference that could not be chance")
    assert sentences(same)[1].endswith(LOWER + ": not excluded)")
    single = low_frequency(spectra(0.8 + noise, chosen, ["a"] * 14, profiles), 0.08)
    assert "5 volumes on either side are needed to tell it from chance, and there is 1" in sentences(single)[1]
    few = low_frequency(spectra(0.8 + noise, chosen, ["a", "b"] * 7, profiles), 0.08)
    assert "range of 2 volumes" in sentences(few)[0]
    assert sentences(few)[1].endswith("and there are 2 (published, that " + LOWER + ": cannot tell)")
    means = [np.mean(0.8 + noise[:6][start::2]) for start in (0, 1)]
    found = few["groups"]["subset"]["interval"]
    assert (found["low"], found["high"], found["kind"]) == (*map(pytest.approx, sorted(means)), "range")


def test_of_matrices_of_several_sizes_the_shared_frequencies_are_compared():
    found = low_frequency(spectra([0.8, 0.7], [True, False], ["a", "b"], [np.ones(9), np.ones(6)]), 0.08)
    assert [len(group["profile"]) for group in found["groups"].values()] == [6, 6]


@pytest.mark.parametrize("chosen", [[True, False, False], [True, True, True]])
def test_the_figure_is_drawn_of_two_groups_and_of_one(chosen):
    profiles = [np.linspace(1, 0.1, 9), np.linspace(2, 0.01, 9), np.linspace(2, 0.01, 9)]
    found = low_frequency(spectra([0.8, 0.7, 0.6], chosen, ["a", "b", "c"], profiles), 0.08)
    stored = json.loads(json.dumps(found | {"metric": "ssim", "method": "unet"}))
    assert figure.draw(stored).startswith(b"\x89PNG")


def test_a_list_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "list.csv"
    names = {'a, "b".h5:3': 0.1, "é.h5:0": 0.2, 'new\nline".h5:0': 0.3}
    path.write_bytes(as_csv((case, case.rsplit(":", 1)[0], score) for case, score in names.items()))
    assert listed(str(path), [*names, "c"], "here") == set(names)
    path.write_text("Case\nx\nx\ny\n")
    assert listed(str(path), ["x", "y"], "here") == {"x", "y"}
    with pytest.raises(InputFileError, match=r"1 of its 2 cases are not in here, such as 'x'"):
        listed(str(path), ["y"], "here")


def test_only_the_listed_cases_are_attacked(capsys, tmp_path):
    scans = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(3)])
    with h5py.File(tmp_path / "some.h5", "w") as file:
        file["kspace"] = scans
    path = tmp_path / "list.csv"
    path.write_text("case\nsome.h5:2\nsome.h5:0\n")
    common = ["--data", tmp_path / "some.h5", "--method", "zero_filled", "--eps", "0", "--center-fraction", "0.25"]
    common += ["--acceleration", "2.5", "--output", tmp_path / "out"]
    assert attack.main([*map(str, [*common, "--only", path])]) == 0
    assert "only those of" in capsys.readouterr().err
    (folder,) = (tmp_path / "out").iterdir()
    rows = [json.loads(line) for line in (folder / "images.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(row["case"] for row in rows)) == ["some.h5:0", "some.h5:2"]
    stored = json.loads((folder / "run.json").read_text())
    assert stored["config"]["only"] == str(path)
    assert set(stored["data_sha256"]) == {"some.h5", "list.csv"}
    # Such a run can be filtered again.
    code, out, _ = run(capsys, folder, "--count", 1, "--output", tmp_path / "harder.csv")
    assert (code, out[0].startswith("1 of 2 images")) == (0, True)


def test_a_list_makes_another_run():
    assert RunConfig().fingerprint() != RunConfig(only="list.csv").fingerprint()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "No such file"),
        ("volume,slice\na,1\n", "names the column 'case' 0 times"),
        ("case\n", "names no case"),
        ("case\na.h5:0\nc.h5:0\n", "1 of its 2 cases are not in"),
        ("case\né.h5:0\n", "the data that the list was made of, and save the list as CSV in UTF-8"),
        ("case\nc.h5:0\n", "such as 'c.h5:0'; give the data that the list was made of"),
    ],
)
def test_a_list_that_cannot_be_used_is_one_line(capsys, tmp_path, data, text, problem):
    path = tmp_path / "list.csv"
    if text is not None:
        path.write_text(text)
    code = attack.main(["--data", str(data), "--only", str(path), "--method", "zero_filled", "--output", str(tmp_path)])
    error = capsys.readouterr().err.splitlines()[-1]
    assert code == 3
    assert error.startswith(f"bench.attack: error: --only {path}")
    assert problem in error
