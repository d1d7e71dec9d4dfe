"""Checkpoints of a training: killed while a checkpoint is written, and with files as a power failure leaves them."""

import json
import shutil
import signal
import subprocess
import sys

import chex
import jax.numpy as jnp
import pytest

from bench.plan.errors import InputFileError, OutputError
from bench.training.checkpoint import Checkpoints, Progress
from bench.training.step import State
from data_prep.weights import read_weights
from tests.bench.test_survival import largest_file
from tests.bench.test_train import arguments, lines, write_images
from tests.helpers.faults import ROOT, environment

# A training that is killed at a random moment while it writes its second checkpoint.  The first checkpoint shows how
# long writing takes.
KILLED = """
import os, random, signal, sys, threading, time
from bench import train
from bench.training.checkpoint import Checkpoints
save, took = Checkpoints.save, []
def timed(self, state, progress):
    if took:
        threading.Timer(random.uniform(0, took[0]), os.kill, (os.getpid(), signal.SIGKILL)).start()
    began = time.monotonic()
    save(self, state, progress)
    if took:
        time.sleep(60)  # it was faster than the first; the signal comes
    took.append(time.monotonic() - began)
Checkpoints.save = timed
sys.exit(train.main(sys.argv[1:]))
"""

LONG = ("--steps", "8")  # four checkpoints: the first kill may leave two, and the second kill needs two more


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The data, and the folder of an undisturbed training."""
    folder = tmp_path_factory.mktemp("whole")
    data = write_images(folder / "images.h5")
    assert training(data, arguments(data, folder / "runs", *LONG)).returncode == 0
    return data, next((folder / "runs").iterdir())


def training(data, flags, program=("-m", "bench.train")):
    """Run a training in a separate process; all processes share their compiled functions."""
    return subprocess.run(
        [sys.executable, *program, *flags],
        cwd=ROOT,
        env=environment(data.parent / "cache"),
        capture_output=True,
        text=True,
        check=False,
    )


def test_killed_while_it_writes_a_checkpoint_it_ends_as_if_it_had_not_been(whole, tmp_path):
    images, undisturbed = whole
    flags = arguments(images, tmp_path / "killed", *LONG)
    for _ in range(2):
        done = training(images, flags, ("-c", KILLED))
        assert done.returncode == -signal.SIGKILL, done.stderr
        (folder,) = (tmp_path / "killed").iterdir()
        flags = ["--resume", str(folder)]
    assert training(images, flags).returncode == 0
    equal(folder, undisturbed)


def equal(one, other):
    assert lines(one) == lines(other)
    mine, its = (read_weights(folder / "weights.safetensors") for folder in (one, other))
    chex.assert_trees_all_equal(mine.params, its.params)


def state(step):
    return State({"a": jnp.arange(2000.0) + step, "b": {"c": jnp.ones((3, 3)) * step}}, {"m": jnp.int32(step)})


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with the checkpoints of two steps."""
    folder = tmp_path_factory.mktemp("written")
    checkpoints = Checkpoints(folder)
    for step in (2, 4):
        checkpoints.save(state(step), Progress(step, 0.5, step, 0))
    checkpoints.close()
    return folder


def restored(folder):
    checkpoints = Checkpoints(folder)
    found = checkpoints.restore(state(0))
    checkpoints.close()
    return found


def test_the_newest_is_used_where_it_is_whole(written, capfd):
    found, progress = restored(written)
    chex.assert_trees_all_equal(found, state(4))
    assert progress == Progress(4, 0.5, 4, 0)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("damage", ["gone", "empty", "half", "zeros"])
def test_one_that_a_power_failure_damaged_is_dropped_for_the_one_before(written, tmp_path, capfd, damage):
    files = [path.relative_to(written) for path in (written / "checkpoints" / "4").rglob("*") if path.is_file()]
    assert len(files) > 10
    for index, name in enumerate(files):
        if name.name == "sums.json" and damage == "gone":
            continue  # a run that was killed before it wrote the sums
        folder = tmp_path / str(index)
        shutil.copytree(written, folder)
        content = (folder / name).read_bytes()
        left = {"gone": None, "empty": b"", "half": content[: len(content) // 2], "zeros": bytes(len(content))}[damage]
        (folder / name).unlink()
        if left is not None:
            (folder / name).write_bytes(left)
        found, progress = restored(folder)
        assert progress.step == 2, name
        chex.assert_trees_all_equal(found, state(2))
        # One line, and nothing from a library.
        assert capfd.readouterr().err.splitlines() == [
            "note: the checkpoint of step 4 cannot be read; it is dropped for an older one"
        ], name
        assert not (folder / "checkpoints" / "4").exists()


def test_without_sums_a_damaged_one_is_found_out_too(written, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(written, folder)
    (folder / "checkpoints" / "4" / "sums.json").unlink()
    assert restored(folder)[1].step == 4
    (folder / "checkpoints" / "4" / "progress" / "metadata").write_text('{"step"')
    assert restored(folder)[1].step == 2


def test_where_none_can_be_read_it_says_so(written, tmp_path):
    folder = tmp_path / "damaged"
    shutil.copytree(written, folder)
    for path in folder.glob("checkpoints/*/state/manifest.ocdbt"):
        path.write_bytes(b"")
    with pytest.raises(InputFileError, match=r"--resume .*/checkpoints: no checkpoint can be read: .*; begin anew$"):
        restored(folder)
    assert len(list(folder.glob("checkpoints/*"))) == 2
    assert restored(tmp_path / "nothing") is None


def test_a_full_disk_is_one_line_and_leaves_those_before(written, tmp_path, capfd):
    folder = tmp_path / "full"
    shutil.copytree(written, folder)
    checkpoints = Checkpoints(folder)
    with largest_file(1000), pytest.raises(OutputError, match=f"^cannot write {folder}/checkpoints: File too large; "):
        checkpoints.save(state(6), Progress(6, 0.5, 6, 0))
    checkpoints.close()
    assert capfd.readouterr().err == ""
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["2", "4"]
    assert restored(folder)[1].step == 4


@pytest.mark.parametrize("words", ["[os_error_code='28']", "[OS error 28: ENOSPC No space left on device]"])
def test_a_disk_that_fills_up_meanwhile_is_one_line_too(written, tmp_path, monkeypatch, words):
    """The words are TensorStore's, in the supported versions."""
    folder = tmp_path / "full"
    shutil.copytree(written, folder)
    checkpoints = Checkpoints(folder)

    def fill_up(step, **_):
        (folder / "checkpoints" / f"{step}.orbax-checkpoint-tmp").mkdir()
        raise ValueError(f"RESOURCE_EXHAUSTED: Error writing local file: {words}")

    monkeypatch.setattr(checkpoints._manager, "save", fill_up)
    with pytest.raises(OutputError, match=r"No space left on device; make room there, and go on with --resume$"):
        checkpoints.save(state(6), Progress(6, 0.5, 6, 0))
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["2", "4"]


def test_what_a_killed_training_left_of_a_checkpoint_goes(written, tmp_path):
    folder = tmp_path / "killed"
    shutil.copytree(written, folder)
    (folder / "checkpoints" / "6.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    assert restored(folder)[1].step == 4
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["2", "4"]


def test_a_training_goes_on_from_the_one_before(whole, tmp_path):
    damaged = tmp_path / "damaged"
    shutil.copytree(whole[1], damaged)
    largest = max((damaged / "checkpoints" / "8").rglob("*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:100])
    with (damaged / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": 9, "loss": 0.5})[:9])  # a later step
    done = training(whole[0], ["--resume", str(damaged)])
    assert done.returncode == 0, done.stderr
    assert "step 8 cannot be read; it is dropped for an older one\nresuming after step 6" in done.stderr
    equal(damaged, whole[1])
