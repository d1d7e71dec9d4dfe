"""A run as a function: the record of the command, each slice prepared once, and studies that go on with their runs."""

from collections import Counter

import pytest

from bench.plan.config import RunConfig
from bench.record.record import read
from bench.run import batch_size, batches, first, series
from bench.run.run import run
from tests.helpers.cheap_run import cheapen, contents, start, write_volume

SAMPLING = {"acceleration": 2.5, "center_fraction": 0.25}


@pytest.fixture
def volume(tmp_path, monkeypatch):
    cheapen(monkeypatch)
    return write_volume(tmp_path / "volume.h5")


def config(volume):
    return RunConfig("zero_filled", eps=(0.05,), data=str(volume), **SAMPLING)


def test_a_run_in_python_is_that_of_the_command(tmp_path, volume):
    _, folder = start(volume, tmp_path / "command")
    record = run(config(volume), output=tmp_path / "python", save_perturbations=True)
    assert contents(record.folder) == contents(folder)
    theirs = read(folder)
    assert (record.rows, record.searches) == (theirs.rows, theirs.searches)
    assert read(record.folder) == record
    assert record.run.fingerprint == theirs.run.fingerprint
    assert record.run.argv[:4] == ["--method", "zero_filled", "--eps", "0.05"]


@pytest.mark.parametrize("batch", [None, 0])
def test_each_slice_is_prepared_once(tmp_path, volume, monkeypatch, batch):
    seen, prepare = Counter(), first.prepare

    def counted(case, config):
        seen[getattr(case, "name", str(case))] += 1  # a case that could not be read has no name
        return prepare(case, config)

    for module in (first, batches):
        monkeypatch.setattr(module, "prepare", counted)
    monkeypatch.setattr(batch_size, "chosen", lambda work, shapes, largest: 2)
    monkeypatch.setattr(batch_size, "automatic", lambda: batch_size.AUTO if batch == 0 else 1)
    record = run(config(volume), output=tmp_path / "out", batch=batch)
    assert list(record.run.sampling) == ["volume.h5:0", "volume.h5:2"]
    assert set(seen.values()) == {1}
    assert len(seen) >= 2


def test_a_study_keeps_what_is_done_and_goes_on_with_what_is_not(tmp_path, volume, monkeypatch):
    def once(takes=lambda before: True):
        return series.run_once(config(volume), tmp_path / "runs", ["bench.shift"], takes)

    done = once()
    with monkeypatch.context() as patch:
        patch.setattr(series, "run", lambda *given, **more: pytest.fail("it ran again"))
        assert once() == done
    record = (done.folder / "run.json").read_text()
    (done.folder / "run.json").write_text(record.replace('"status": "done"', '"status": "interrupted"'))
    again = once()
    assert (again.folder, again.run.resumed, again.rows) == (done.folder, 1, done.rows)
    # One of other methods is left alone.
    assert once(lambda before: False).folder != done.folder
