"""bench.tune and bench.compare: what they choose and print, and their one-line errors."""

import json

import numpy as np
import pytest

from bench import compare, tune


def record(folder, method, offset, cases=("a", "b", "c"), settings=None):
    """A run folder with made-up numbers: SSIM 0.5 + offset + 0.01 i, lower by epsilon where attacked."""
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"config": {"method": method, "settings": settings or {}}}))
    rows = []
    for i, case in enumerate(cases):
        for eps in (0.02, 0.05):
            for metric, scale in (("ssim", 1.0), ("psnr", 50.0)):
                value = scale * (0.5 + offset + 0.01 * i)
                states = {"clean": value, "noise": value - scale * eps / 10, "attacked": value - scale * eps}
                own = {"case": case, "volume": case, "source": method, "victim": method}
                rows.append({**own, "eps": eps, "metric": metric, **states})
    rows.append({"case": "broken", "failed": "zero"})
    (folder / "images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def test_runs_are_compared_on_the_images_they_share(tmp_path, capsys):
    runs = [
        record(tmp_path / "one", "varnet", 0.2),
        record(tmp_path / "two", "l1", 0.1, cases=("b", "c", "d"), settings={"lam": "0.1"}),
    ]
    assert compare.main(runs) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("Means over 2 images")
    assert out[2] == "| method | clean | noise 0.02 | attacked 0.02 | noise 0.05 | attacked 0.05 |"
    # varnet on b and c: 0.71 and 0.72; l1: 0.60 and 0.61.
    assert out[4].startswith("| varnet | 35.75 / 0.715 | 35.65 / 0.713 | 34.75 / 0.695 |")
    assert out[5].startswith("| l1 lam=0.1 | 30.25 / 0.605 |")
    assert out[-1].startswith("| varnet - l1 lam=0.1 | +0.110 ± 0.000 |")


def test_the_interval_is_that_of_the_differences():
    differences = [0.1, 0.3, 0.2]
    half = 1.96 * np.std(differences, ddof=1) / np.sqrt(3)
    assert compare._interval(differences, ["a", "b", "c"]) == f"+0.200 ± {half:.3f}"
    assert compare._interval([0.1], ["a"]) == "+0.100"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda path: ["nowhere"], "nowhere: is no record of bench.attack"),
        (lambda path: [record(path / "a", "l1", 0, ("a",)), record(path / "b", "tv", 0, ("b",))], "share no image"),
        (lambda path: [record(path / "a", "l1", 0), "--eps", "0.3"], "l1: has no epsilon 0.3"),
        (lambda path: [record(path / "a", "l1", 0, cases=())], "holds no image"),
    ],
)
def test_runs_that_cannot_be_compared_are_one_line(change, problem, tmp_path, capsys):
    assert compare.main(change(tmp_path)) == 3
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]


def test_the_best_value_is_that_of_the_largest_ssim(capsys):
    flags = ["--method", "sense", "--setting", "n_iters", "--values", "1", "4", "--images", "2"]
    assert tune.main([*flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["value"] for one in found["candidates"]] == ["1", "4"]
    assert all(one["n"] == 2 and 0 < one["ssim"] < 1 for one in found["candidates"])
    assert found["best"] == max(found["candidates"], key=lambda one: one["ssim"])["value"]


@pytest.mark.parametrize(
    ("flags", "code", "problem"),
    [
        (["--setting", "lamb", "--values", "1"], 2, "--set lamb: l1 has no such setting; did you mean 'lam'?"),
        (["--values", "-1"], 2, "--set: lam"),
        (["--values", "0.1", "--data", "nowhere.h5"], 3, "--data nowhere.h5"),
        (["--method", "varnet", "--values", "1"], 2, "unknown name 'varnet'"),
    ],
)
def test_mistakes_are_one_line(flags, code, problem, capsys):
    assert tune.main(flags) == code
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert problem in error[0]
