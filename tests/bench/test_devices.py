"""Slices distributed over devices: eight simulated devices give the records of one."""

import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from bench.attack import main
from data_prep import phantom

FLAGS = ["--method", "zero_filled", "--attack", "pgd", "--steps", "1", "--eps", "0.05", "--limit", "3"]
FLAGS += ["--center-fraction", "0.25", "--acceleration", "2.5"]


def rows(folder):
    (run,) = folder.iterdir()
    lines = [json.loads(line) for line in (run / "images.jsonl").read_text().splitlines()]
    return run, {(line["case"], line["metric"]): line for line in lines}


def test_eight_devices_give_the_records_of_one(tmp_path):
    kspace = np.stack([phantom.case("knee", "train", index, (40, 32)).kspace for index in range(3)])
    with h5py.File(tmp_path / "volume.h5", "w") as file:
        file["kspace"] = kspace
        # The file has maps, so that none are estimated.
        file["maps"] = np.full(kspace.shape, kspace.shape[1] ** -0.5, np.complex64)
    flags = [*FLAGS, "--data", str(tmp_path / "volume.h5")]
    assert main([*flags, "--output", str(tmp_path / "one")]) == 0
    command = [sys.executable, "-m", "bench.attack", *flags, "--output", str(tmp_path / "eight"), "--devices", "all"]
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=300)
    one, (folder, eight) = rows(tmp_path / "one")[1], rows(tmp_path / "eight")
    assert json.loads((folder / "run.json").read_text())["device"]["used"] == 8
    # Three slices on eight devices: the slices that fill the other devices are in no record.
    assert list(eight) == list(one)
    for key, line in one.items():
        found = eight[key]
        assert found.keys() == line.keys()
        assert found["flags"] == line["flags"]
        for name in ("clean", "noise", "attacked"):
            assert found[name] == pytest.approx(line[name], rel=1e-4)


def test_more_devices_than_there_are_is_one_line(tmp_path, capsys):
    assert main([*FLAGS, "--output", str(tmp_path), "--devices", "99"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "--devices 99: JAX finds 1 device here" in line
    assert list(tmp_path.iterdir()) == []
