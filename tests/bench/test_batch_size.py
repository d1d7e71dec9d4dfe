"""--batch auto: as many slices as fit into memory, according to the compiler's estimate for one slice."""

import json

import jax
import pytest

from bench import attack
from bench.evaluate import subjects
from bench.plan.config import RunConfig
from bench.run import batch_size
from bench.run.executor import Work
from tests.helpers.cheap_run import cheapen, contents, go_on, start, write_volume

SHAPE, OTHER = (8, 160, 128), (4, 64, 64)


@pytest.mark.parametrize(
    ("need", "room", "shapes", "devices", "expected"),
    [
        (1e9, 10e9, [SHAPE] * 100, 1, 8),  # a fifth stays free
        (1e9, 0.5e9, [SHAPE] * 100, 1, 1),  # the run then reports that memory ran out
        (1e6, 10e9, [SHAPE] * 100, 1, 25),  # 4 of 25, and not 3 of 32 and one of 4
        (1e6, 10e9, [SHAPE] * 64, 1, 32),
        (1e6, 10e9, [SHAPE] * 5 + [OTHER] * 3, 1, 5),
        (1e6, 10e9, [SHAPE] * 10, 4, 3),
        (1e9, 10e9, [SHAPE] * 10, 1, 5),
    ],
)
def test_what_fits(need, room, shapes, devices, expected):
    assert batch_size.fitting(need, room, shapes, devices) == expected


@pytest.fixture
def volume(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    return write_volume(tmp_path / "volume.h5")


def batch_of(folder):
    return json.loads((folder / "run.json").read_text())["runtime"]["batch"]


@pytest.mark.parametrize("flags", [(), ("--batch", "auto")])
def test_on_the_cpu_it_is_one(volume, tmp_path, flags, monkeypatch, capsys):
    monkeypatch.setattr(batch_size, "chosen", None)  # nothing is compiled to choose it
    assert batch_of(start(volume, tmp_path / "out", *flags)[1]) == 1
    assert "batch" not in capsys.readouterr().err


def test_on_an_accelerator_it_is_what_memory_holds(volume, tmp_path, monkeypatch, capsys):
    undisturbed = contents(start(volume, tmp_path / "one")[1])
    monkeypatch.setattr(batch_size, "automatic", lambda: batch_size.AUTO)
    needs = []

    measured = batch_size.bytes_of_one
    monkeypatch.setattr(batch_size, "bytes_of_one", lambda *of: needs.append(measured(*of)) or needs[-1])
    monkeypatch.setattr(batch_size, "_room", lambda device: 1e9)
    capsys.readouterr()
    _, folder = start(volume, tmp_path / "many")
    error = capsys.readouterr().err
    assert batch_of(folder) == 3
    assert "3 images, batch auto |" in error.splitlines()[0]
    assert "batch 3: a slice needs " in error
    assert contents(folder) == undisturbed
    # At least the slice's k-space, its maps and the perturbation; at most the whole memory of a small machine.
    kspace = 8 * 8 * 40 * 32
    assert 3 * kspace < needs[0].each < 500 * kspace
    assert needs[0].shared == 0
    # The choice stays when a run is resumed, unless it is requested again.
    assert go_on(folder) == 1
    assert len(needs) == 1
    monkeypatch.setattr(batch_size, "fitting", lambda need, *_: 2 if need == needs[0].each else 0)
    assert go_on(folder, "--batch", "auto") == 1
    assert batch_of(folder) == 2


def test_where_a_device_does_not_say_or_what_it_needs_cannot_be_compiled(volume, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(batch_size, "automatic", lambda: batch_size.AUTO)
    assert batch_of(start(volume, tmp_path / "cpu")[1]) == 1
    assert "batch 1: the device does not say how much memory it has" in capsys.readouterr().err

    def too_large(*_):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    monkeypatch.setattr(batch_size, "_room", lambda device: 1e9)
    monkeypatch.setattr(batch_size, "bytes_of_one", too_large)
    assert batch_of(start(volume, tmp_path / "large")[1]) == 1


class Accelerator:
    """A device with the statistics of a GPU of 80 GB, of which XLA's pool has 75 %."""

    def memory_stats(self):
        return {"bytes_limit": 60_000_000_000, "bytes_in_use": 10_000_000_000, "peak_bytes_in_use": 50_000_000_000}


def test_room_is_what_the_pool_has_left():
    assert batch_size._room(Accelerator()) == 50e9


def test_weights_are_counted_once_for_each_function_and_not_for_each_slice(tmp_path, monkeypatch, capsys):
    config = RunConfig("unet", weights="unet-phantom-knee", attack="pgd", steps=1, eps=(0.05,))
    (subject,) = subjects.sources(config)
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(subject.params))
    work = Work(config, [subject], [subject], 1, False)
    monkeypatch.setattr(batch_size, "_bytes", lambda *_: 1e9)
    need = batch_size.bytes_of_one(work, None)
    assert need == (1e9, 2 * weights)
    # 50 GB less the weights, of which four fifths are used.
    monkeypatch.setattr(jax, "local_devices", lambda: [Accelerator()])
    assert batch_size.chosen(work, [SHAPE] * 100, None) == 25
    monkeypatch.setattr(batch_size, "bytes_of_one", lambda *_: batch_size.Need(1e9, 45e9))
    assert batch_size.chosen(work, [SHAPE] * 100, None) == 4
    assert capsys.readouterr().err.splitlines()[-1] == "batch 4: a slice needs 1.00 GB, and 5.0 GB are free"


def test_a_dry_run_compiles_nothing_for_it(volume, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(batch_size, "automatic", lambda: batch_size.AUTO)
    monkeypatch.setattr(batch_size, "chosen", None)
    assert start(volume, tmp_path / "out", "--dry-run") == (0, None)
    assert "batch auto" in capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize("value", ["0", "automatic"])
def test_mistakes_are_one_line(value, capsys):
    assert attack.main(["--method", "l1", "--batch", value]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
