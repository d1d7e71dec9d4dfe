"""bench.conformal: bounds from one run, and the volumes of another that keep them."""

import json

import pytest

from bench import conformal
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
    write(folder / "few", "c", [30.0, 31.0])
    return folder


def test_bound_and_coverage_by_hand(folder, capsys):
    """The 18th of 20 ranks of 19 volumes bounds with 90 %: the second smallest score, 31 dB."""
    assert conformal.main([str(folder / "train"), str(folder / "test")]) == 0
    head, _, line = capsys.readouterr().out.splitlines()
    assert (
        head == "| method | psnr at least | volumes | clean | noise 0.02 | attacked 0.02 | noise 0.05 | attacked 0.05 |"
    )
    assert line == "| l1 | 31.00 | 19 | 75% of 4 | 50% of 4 | 0% of 4 | 50% of 4 | 0% of 4 |"


def test_a_volume_counts_by_its_worst_slice(folder, tmp_path, capsys):
    run = write(tmp_path / "run", "d", [40.0, 20.0])
    for name in ("images.jsonl", "searches.jsonl", "run.json"):
        path = run / name
        path.write_text(path.read_text().replace("d1.h5:0", "d0.h5:1").replace('"d1.h5"', '"d0.h5"'))
    assert conformal.main([str(folder / "train"), str(run)]) == 0
    assert "| l1 | 31.00 | 19 | 0% of 1 |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "flags", "said"),
    [
        (("few", "test"), [], "has 2 volumes of l1; a bound with confidence 0.9 needs 9"),
        (("train", "train"), [], "give runs of different volumes"),
        (("train", "test"), ["--confidence", "1"], "give a number between 0 and 1"),
        (("train", "test"), ["--metric", "haarpsi"], "has no haarpsi of a method of"),
    ],
)
def test_what_it_refuses(folder, names, flags, said, capsys):
    assert conformal.main([*(str(folder / name) for name in names), *flags]) == 2
    assert said in capsys.readouterr().err
