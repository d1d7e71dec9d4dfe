"""Slices as a run reads them: ahead, in order, grouped by shape, and with no more slices in memory."""

import threading
import time
import weakref

import h5py
import numpy as np
import pytest

from bench.plan.config import RunConfig
from bench.run.batches import batches
from bench.slices.sources import open_source
from data_prep import fastmri
from data_prep.cases import Case, InputError
from data_prep.fastmri import list_slices, read_slice, read_slices
from data_prep.layout import write_volume
from data_prep.prefetch import prefetch
from tests.data_prep.test_data_check import scan, volume


def test_prefetch_keeps_order_and_stops_where_its_source_does():
    assert list(prefetch(iter(range(100)))) == list(range(100))
    assert list(prefetch(iter([]))) == []


def test_prefetch_raises_what_its_source_raises_in_its_turn():
    def items():
        yield 1
        raise InputError("broken")

    found = prefetch(items())
    assert next(found) == 1
    with pytest.raises(InputError, match="broken"):
        next(found)


def test_prefetch_reads_ahead_but_not_far():
    made = []

    def items():
        for index in range(20):
            made.append(index)
            yield index

    found = prefetch(items(), ahead=2)
    assert next(found) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert made == [0, 1, 2, 3]  # one taken, two waiting, one in the thread's hands


def test_prefetch_ends_its_thread_with_its_consumer():
    before = threading.active_count()
    found = prefetch(iter(range(100)))
    next(found)
    assert threading.active_count() == before + 1
    found.close()
    assert threading.active_count() == before


@pytest.fixture
def folder(tmp_path):
    """Volumes of two shapes, with maps (any numbers are fine), including a slice that cannot be used."""
    for seed, (name, slices, columns) in enumerate((("a", 2, 32), ("b", 2, 30), ("c", 3, 32))):
        kspace = scan(slices, seed)[..., :columns]
        write_volume(tmp_path, volume(name, kspace, maps=kspace))
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        file["kspace"][1] = 0
    return tmp_path


def test_reading_in_a_row_is_reading_one_by_one(folder, monkeypatch):
    slices = list_slices(folder)
    opened = []
    original = fastmri.open_file
    monkeypatch.setattr(fastmri, "open_file", lambda path: opened.append(path.name) or original(path))
    found = list(read_slices(slices))
    assert opened == ["a.h5", "b.h5", "c.h5"]
    for info, case in zip(slices, found, strict=True):
        if info.name == "c.h5:1":
            assert isinstance(case, InputError)
            continue
        one = read_slice(info)
        assert case.name == info.name
        np.testing.assert_array_equal(case.kspace, one.kspace)
        np.testing.assert_array_equal(case.target, one.target)


def test_a_file_that_goes_away_fails_its_slices_only(folder):
    slices = list_slices(folder)
    (folder / "b.h5").unlink()
    failed = [isinstance(case, InputError) for case in read_slices(slices)]
    assert failed == [False, False, True, True, False, True, False]


def test_no_more_slices_are_alive_than_were_read_ahead(folder):
    alive: list[weakref.ref] = []

    def watched():
        for case in read_slices(list_slices(folder) * 10):
            if isinstance(case, Case):
                alive.append(weakref.ref(case.kspace))
            yield case

    most = 0
    for _ in prefetch(watched(), ahead=2):
        most = max(most, sum(ref() is not None for ref in alive))
    assert len(alive) == 60
    # The consumer's slice, two waiting, and one each in the reader's and the thread's hands.
    assert most <= 5


@pytest.mark.parametrize(("batch", "sizes"), [(1, [1] * 6), (2, [2, 2, 2]), (3, [2, 3, 1])])
def test_batches_are_of_one_shape_and_full(folder, batch, sizes):
    config = RunConfig(method="l1", data=str(folder), mask="equispaced", acceleration=4.0, center_fraction=0.25)
    source = open_source(config)
    assert source.names[:2] == ["b.h5:0", "b.h5:1"]
    failures = []
    groups = list(batches(source, config, batch, lambda name, reason: failures.append((name, reason)), {}))
    assert [len(group) for group in groups] == sizes
    assert [one.name for group in groups for one in group] == [name for name in source.names if name != "c.h5:1"]
    assert all(len({one.data.kspace.shape for one in group}) == 1 for group in groups)
    ((name, reason),) = failures
    assert name == "c.h5:1"
    assert "all zero" in reason


def test_reading_ahead_ends_in_whatever_thread_lets_go_of_it():
    """Memory may be collected in the thread that reads ahead, which cannot wait for itself."""
    ends = threading.Event()

    def items():
        yield 1
        ends.wait(20)
        read.close()
        done.append(True)
        yield 2

    done: list[bool] = []
    read = prefetch(items())
    assert next(read) == 1
    ends.set()
    for _ in range(200):
        if done:
            break
        time.sleep(0.05)
    assert done == [True]
