"""Runs of bench.attack with made-up numbers, for tests of records: nothing is compiled or drawn."""

import h5py
import numpy as np
import pytest

from bench import attack
from bench.evaluate.outcome import Result
from bench.figures import overview, region_cropped, side_by_side
from bench.record.rows import Row, SearchRow
from bench.run import executor, finish
from data_prep import phantom
from data_prep.names import checksum

SHAPE = (40, 32)
FLAGS = ["--method", "zero_filled", "--eps", "0.05", "--center-fraction", "0.25", "--acceleration", "2.5"]
IMAGES = 3
# Files that are the same for every run with the same numbers.
SAME = ("summary.csv", "images.jsonl", "searches.jsonl", "pictures.npz", "perturbations.npz")


def write_volume(path, images=IMAGES, maps=True):
    """Write a small volume whose second slice cannot be used; maps: whether it has made-up coil maps."""
    kspace = np.stack([phantom.case("knee", "train", index, SHAPE).kspace for index in range(images)])
    kspace[1, 0, 0, 0] = np.nan
    coils = kspace.shape[1]
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace * np.complex64(1e-6)
        if maps:  # so that none are estimated
            file["maps"] = np.full(kspace.shape, coils**-0.5, np.complex64)
    return path


def results(work, functions_of, batch, begins=None):
    """Replace `executor._attack_batch`: numbers that depend on the image's name and the method's place alone."""
    del functions_of, begins
    assert len(batch.members) <= batch.size
    return [_result(prepared, [one.label for one in work.sources]) for prepared in batch.members]


def _result(prepared, labels):
    random = np.random.RandomState(checksum(prepared.name))
    rows, searches = [], []
    for label in labels:
        common = {"case": prepared.name, "source": label, "attack": "pgd", "eps": 0.05}
        scores = dict(zip(("clean", "noise", "attacked"), random.uniform(10, 20, 3).tolist(), strict=True))
        rows += [
            Row(**common | {"volume": prepared.name, "victim": label, "metric": metric, "flags": ()} | scores)
            for metric in ("psnr", "ssim")
        ]
        searches.append(SearchRow(**common | {"trace": (0.1,), "restarts": (0.1,)}))
    picture = np.full((2, 2), random.uniform(), np.float16)
    return Result(
        rows,
        searches,
        None,
        {f"{prepared.name}|truth": picture},
        {f"{prepared.name}|0.05": picture},
    )


def cheapen(monkeypatch):
    """Make runs cheap."""
    monkeypatch.setattr(executor, "_attack_batch", results)
    for figure in (overview, region_cropped, side_by_side):
        monkeypatch.setattr(figure, "draw", lambda folder: b"figure")
    monkeypatch.setattr(finish, "page_of", lambda folder: b"report")


def start(volume, output, *more):
    """Start a run; returns its exit code and its folder."""
    code = attack.main([*FLAGS, "--data", str(volume), "--output", str(output), "--save-perturbations", *more])
    return code, next(output.iterdir(), None) if output.is_dir() else None


def go_on(folder, *more):
    """Resume a run; returns its exit code."""
    return attack.main(["--resume", str(folder), *more])


def contents(folder):
    """Read everything that must be equal, whatever happened on the way."""
    return {name: (folder / name).read_bytes() for name in SAME}


def whole_run(folder, images):
    """Write a volume of so many images, and return its path and the run of one process on it."""
    volume = write_volume(folder / "volume.h5", images)
    with pytest.MonkeyPatch.context() as patch:
        cheapen(patch)
        _, run = start(volume, folder / "whole")
    return volume, run
