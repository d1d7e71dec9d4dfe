"""bench.train by several processes: the losses of one process, and the consequences of losing a process."""

import json
import os
import signal

import h5py
import jax
import numpy as np
import pytest

from bench import train
from data_prep.weights import read_weights
from tests.helpers.faults import environment
from tests.helpers.processes import ended, train_together

# The process never comes to the checkpoint of step 4, for which Orbax would let the other wait ten minutes.
STOPS = """
def stop(self, line):
    if line.startswith("step 4"):
        os.kill(os.getpid(), {})
        time.sleep(60)
loop.Training._say = stop
"""


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Images, and the training of one process on them: three of the seven are for validation."""
    folder = tmp_path_factory.mktemp("train")
    rng = np.random.default_rng(0)
    v, u = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 32), indexing="ij")
    discs = [(u - a) ** 2 + (v - b) ** 2 < 0.3 for a, b in rng.uniform(-0.5, 0.5, (7, 2))]
    path = folder / "images.h5"
    with h5py.File(path, "w") as file:
        file["image"] = (np.array(discs) * np.exp(1j * u)).astype(np.complex64)
        file["validation"] = np.arange(7) >= 4
    assert train.main(arguments(path, folder / "one")) == 0
    (run,) = (folder / "one").iterdir()
    return path, run


def arguments(images, output, *more):
    quick = ["--method", "unet", "--variant", "u5", "--steps", "6", "--every", "2", "--batch", "4"]
    return [
        *map(
            str, (*quick, "--center-fraction", 0.25, "--acceleration", 2.5, "--data", images, "--output", output, *more)
        )
    ]


def assert_alike(run, other):
    """Assert that two trainings agree to rounding: sums over devices have another order."""
    mine, others = (
        [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in (run, other)
    )
    for line, expected in zip(mine, others, strict=True):
        assert line == {
            name: pytest.approx(value, rel=1e-3) if name != "step" else value for name, value in expected.items()
        }
    ours, theirs = (read_weights(folder / "weights.safetensors").params for folder in (run, other))
    moved = [np.abs(a - b).mean() for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)]
    assert np.mean(moved) < 1e-4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_where_one_is_lost_all_end_and_can_go_on_to_what_one_process_trains(tmp_path, one, number):
    images, whole = one
    # Two devices in each process, so that a batch of four is distributed over four devices.
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=2"
    kept = environment(images.parent / "cache") | {"XLA_FLAGS": flags}
    first, second = ended(train_together(2, arguments(images, tmp_path), {1: STOPS.format(int(number))}, kept))
    assert (first.code, second.code) == (1, -9 if number == signal.SIGKILL else 143)
    (run,) = tmp_path.iterdir()
    error, how = first.err.splitlines()[-2:]
    assert error == "bench.train: error: process 1 has ended; its own messages say why"
    assert how == f"python -m bench.train --resume {run}"
    assert "4 devices of 2 processes" in first.err
    if number == signal.SIGKILL:
        return
    # The process was lost before the checkpoint of step 4.  A stopped process makes no checkpoint, because the other
    # processes may be at another step.
    first, second = ended(train_together(2, ["--resume", run], environment=kept))
    assert (first.code, second.code) == (0, 0), first.err
    assert "resuming after step 2" in first.err
    assert_alike(run, whole)
    record = json.loads((run / "train.json").read_text())
    assert (record["device"]["used"], record["device"]["processes"]) == (4, 2)
    assert "validation SSIM" not in second.err


def test_a_mistake_of_one_ends_all_before_anything_is_written(tmp_path, one):
    images, _ = one
    mistake = "loop.Training.__init__ = lambda *all: exec('raise loop.UsageError(\"no\")')"
    first, second = ended(train_together(2, arguments(images, tmp_path), {1: mistake}))
    assert (first.code, second.code) == (1, 2)
    assert first.err.splitlines()[-1] == "bench.train: error: process 1 has ended; its own messages say why"
    assert second.err.splitlines()[-1] == "bench.train: error: no"
    assert list(tmp_path.iterdir()) == []


def test_a_batch_that_cannot_be_shared_is_one_line(tmp_path, one):
    images, _ = one
    for process in ended(train_together(2, arguments(images, tmp_path, "--batch", "3"))):
        assert process.code == 2
        assert process.err.splitlines()[-1].endswith("--batch 3: 2 processes share it; name a multiple of 2")
    assert list(tmp_path.iterdir()) == []
