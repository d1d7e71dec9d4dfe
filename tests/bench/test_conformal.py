"""bench.conformal: bounds from one run, and the volumes of another that keep them."""

import json

import numpy as np
import pytest
from scipy.stats import binom

from bench import claims, conformal
from bench.plan.intervals import of_share
from tests.helpers.run_folder import write_run


def write(folder, prefix, scores):
    """A run of l1 with an image a volume; scores: clean PSNR by image, noise 1 and attack 10 dB below."""
    cases = tuple(f"{prefix}{index}.h5:0" for index in range(len(scores)))
    run = write_run(folder, cases=cases)
    lines = [json.loads(line) for line in (run / "images.jsonl").read_text().splitlines()]
    for line in lines:
        if line["metric"] == "psnr":
            clean = scores[cases.index(line["case"])]
            line |= {"clean": clean, "noise": clean - 1, "attacked": clean - 10}
    (run / "images.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    write(folder / "train", "a", [30.0 + index for index in range(19)])
    write(folder / "test", "b", [29.0, 31.5, 33.0, 40.0])
    shifted = write(folder / "shifted", "e", [20.0] * 20)
    record = json.loads((shifted / "run.json").read_text()) | {"name": "other contrast"}
    (shifted / "run.json").write_text(json.dumps(record))
    write(folder / "few", "c", [30.0, 31.0])
    return folder


def test_bound_and_coverage_by_hand(folder, capsys):
    """The 18th of 20 ranks of 19 volumes bounds with 90 %: the second smallest score, 31 dB."""
    assert conformal.main([str(folder / "train"), str(folder / "test")]) == 0
    head, _, line = capsys.readouterr().out.splitlines()
    assert head == (
        "| method | psnr at least | calibrated on | volumes of | clean | noise 0.02 | attacked 0.02 | noise 0.05 | "
        "attacked 0.05 |"
    )
    three, two, none = "3 of 4 (19 to 99 %)", "2 of 4 (7 to 93 %)", "0 of 4 (0 to 60 %)"
    assert line == f"| l1 | 31.00 | 19 | test | {three} | {two} | {none} | {two} | {none} |"


def test_a_volume_counts_by_its_worst_slice(folder, tmp_path, capsys):
    run = write(tmp_path / "run", "d", [40.0, 20.0])
    for name in ("images.jsonl", "searches.jsonl", "run.json"):
        path = run / name
        path.write_text(path.read_text().replace("d1.h5:0", "d0.h5:1").replace('"d1.h5"', '"d0.h5"'))
    assert conformal.main([str(folder / "train"), str(run)]) == 0
    assert "| l1 | 31.00 | 19 | run | 0 of 1 (0 to 98 %) |" in capsys.readouterr().out


def test_the_interval_of_a_share_is_exact():
    """For each share of a binomial distribution, the interval holds it with at least 95 %."""
    for count in (4, 15, 40):
        intervals = [of_share(kept, count) for kept in range(count + 1)]
        for share in (0.03, 0.5, 0.9, 0.97):
            weights = binom.pmf(np.arange(count + 1), count, share)
            assert sum(w for w, one in zip(weights, intervals, strict=True) if one.low <= share <= one.high) >= 0.95
        assert (intervals[0].low, intervals[-1].high) == (0.0, 1.0)


def test_a_shifted_run_has_a_line_of_its_own_and_the_record_is_judged(folder, tmp_path, capsys):
    names = [str(folder / name) for name in ("train", "test", "shifted")]
    file = tmp_path / "coverage.json"
    assert conformal.main([*names, "--output", str(file)]) == 0
    assert "| l1 | 31.00 | 19 | other contrast | 0 of 20 (0 to 17 %) |" in capsys.readouterr().out
    assert claims.main([str(file), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    words = {part["name"]: part["agrees"] for part in row["parts"]}
    assert (words["l1, test, clean"], words["l1, other contrast, clean"]) == ("not excluded", "no")
    assert row["agrees"] == "in part"
    assert row["commands"][0].startswith("python -m bench.conformal ")


@pytest.mark.parametrize(
    ("names", "flags", "said"),
    [
        (("few", "test"), [], "has 2 volumes of l1; a bound with confidence 0.9 needs 9"),
        (("train", "train"), [], "give runs of different volumes"),
        (("train", "test", "test"), [], "test stands for several runs in the table; give each another --name"),
        (("train", "test"), ["--confidence", "1"], "give a number between 0 and 1"),
        (("train", "test"), ["--metric", "haarpsi"], "has no haarpsi of a method of"),
        (("train", "test"), ["--output", "coverage.txt"], "is written as .json; give another name"),
    ],
)
def test_what_it_refuses(folder, names, flags, said, capsys):
    assert conformal.main([*(str(folder / name) for name in names), *flags]) == 2
    assert said in capsys.readouterr().err
