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
from tests.helpers.places import ROOT

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


# An attack of eight slices on four devices; prints the most bytes that lay on each of them at once.
ON_EACH = """
import json
import jax
import numpy as np
from bench.evaluate import subjects
from bench.plan.config import RunConfig
from bench.run import executor
from bench.evaluate.sending import send
from bench.slices import sources
from bench.slices.prepare import prepare
from data_prep import phantom

config = RunConfig("zero_filled", attack="pgd", steps=1, eps=(0.02, 0.05), acceleration=2.5, center_fraction=0.25)
cases = [phantom.case("knee", "test", index, (40, 32)) for index in range(8)]
# Estimated maps would lie on the CPU, which is the first device here.
cases = [case._replace(maps=np.full(case.kspace.shape, 8**-0.5, np.complex64)) for case in cases]
slices = [prepare(case, config) for case in cases]
attacked, mesh = subjects.sources(config), sources.mesh_of(0)
work = executor.Work(config, attacked, attacked, 2, False, mesh)
most = {}

def look(*_):
    there = dict.fromkeys(range(4), 0)
    for array in jax.live_arrays():
        for shard in array.addressable_shards:
            there[shard.device.id] += shard.data.nbytes
    for device, size in there.items():
        most[device] = max(most.get(device, 0), size)

at = {}
def functions_of(subject, group):
    look()
    found = executor.functions_for(at, mesh, subject, group)
    return found._replace(
        evaluate=lambda *given: (look(), found.evaluate(*given), look())[1],
        searches={"attack": lambda *given: (look(), found.searches["attack"](*given), look())[1]},
    )

look()
prepared = most.copy()
batch = send(slices, 8, 0, mesh)
results = executor._attack_batch(work, functions_of, batch, lambda stage: None)
print(json.dumps([prepared, most, len(results), slices[0].data.kspace.nbytes]))
"""


def test_no_device_holds_the_slices_of_others():
    environment = os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", ON_EACH], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    prepared, most, results, kspace = json.loads(done.stdout)
    assert results == 8
    # Slices that wait for their turn are on the host.
    assert max(prepared.values()) < kspace
    # Each device has its two slices' k-space and maps, and the perturbations and noise of two epsilons.
    assert min(most.values()) > 2 * 4 * kspace
    assert max(most.values()) < 1.1 * min(most.values())


def test_more_devices_than_there_are_is_one_line(tmp_path, capsys):
    assert main([*FLAGS, "--output", str(tmp_path), "--devices", "99"]) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert "--devices 99: JAX finds 1 device here" in line
    assert list(tmp_path.iterdir()) == []
