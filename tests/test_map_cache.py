"""The cache of coil maps: right maps, found again by content, resumed, never half written."""

from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep import maps as map_cache
from data_prep.fastmri import list_slices, read_slice
from data_prep.layout import write_volume
from data_prep.maps import MapParameters, cached, default_parameters, estimate
from jaxcs.coils.espirit import EspiritConfig, espirit
from tests.asserts import relative_error
from tests.test_data_check import change, scan, volume


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder of two volumes of one shape, its cache, what `estimate` said, and its calls of progress."""
    folder = tmp_path_factory.mktemp("volumes")
    write_volume(folder, volume("a", scan(seed=1)))
    write_volume(folder, volume("b", scan(seed=2)))
    calls, before = [], espirit._cache_size()
    found = estimate(folder, folder / "cache", lambda *call: calls.append(call))
    return folder, found, calls, espirit._cache_size() - before


def test_every_slice_has_its_maps(filled):
    folder, found, calls, compiled = filled
    assert found == (4, 0, [])
    assert calls == [(1, 4, "a.h5:0"), (2, 4, "a.h5:1"), (3, 4, "b.h5:0"), (4, 4, "b.h5:1")]
    assert compiled == 1
    assert len(list((folder / "cache").iterdir())) == 4
    for info in list_slices(folder):
        case = read_slice(info)
        parameters = default_parameters(case)
        assert parameters.calibration == (24, 24)
        maps = cached(folder / "cache", case.kspace, parameters)
        expected = espirit(jnp.asarray(case.kspace / np.abs(case.kspace).max()), (24, 24), EspiritConfig())
        assert maps.dtype == np.complex64
        assert relative_error(maps, expected) < 1e-6


def test_a_second_run_keeps_what_is_there_and_mends_what_is_damaged(filled, tmp_path):
    folder = filled[0]
    for entry in (folder / "cache").iterdir():
        (tmp_path / entry.name).write_bytes(entry.read_bytes())
    first, second, third, _ = sorted(tmp_path.iterdir())
    content = first.read_bytes()
    second.write_bytes(content[:-8])
    np.save(third, np.array([{}], object), allow_pickle=True)
    stamp = first.stat().st_mtime_ns
    assert estimate(folder, tmp_path, lambda *_: None) == (2, 2, [])
    assert first.stat().st_mtime_ns == stamp
    assert all(entry.stat().st_size == len(content) for entry in tmp_path.iterdir())


def test_other_data_or_parameters_find_nothing(filled, tmp_path):
    folder = filled[0]
    case = read_slice(list_slices(folder)[0])
    usual = default_parameters(case)
    changed = case.kspace.copy()
    changed[0, 0, 0] += changed[0, 20, 16]
    assert cached(folder / "cache", case.kspace, usual) is not None
    assert cached(folder / "cache", changed, usual) is None
    assert cached(folder / "cache", case.kspace, MapParameters((24, 12), usual.config)) is None
    assert cached(folder / "cache", case.kspace, MapParameters((24, 24), EspiritConfig(crop=0.9))) is None
    assert cached(tmp_path / "missing", case.kspace, usual) is None


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<c8'\n\n", b"PK\x03\x04", b"x" * 500]
)
def test_damaged_entries_count_as_absent(filled, tmp_path, content):
    case = read_slice(list_slices(filled[0])[0])
    map_cache._entry(tmp_path, case.kspace, default_parameters(case)).write_bytes(content)
    assert cached(tmp_path, case.kspace, default_parameters(case)) is None


def test_an_entry_that_declares_more_than_it_holds_takes_no_memory(filled, tmp_path):
    case = read_slice(list_slices(filled[0])[0])
    path = map_cache._entry(tmp_path, case.kspace, default_parameters(case))
    with path.open("wb") as file:
        shape = {"descr": "<c8", "fortran_order": False, "shape": (10**6, 10**6)}
        np.lib.format.write_array_header_1_0(file, shape)
    assert cached(tmp_path, case.kspace, default_parameters(case)) is None


def test_the_calibration_region_is_what_was_measured(filled, tmp_path):
    case = read_slice(list_slices(filled[0])[0])
    mask = np.zeros(32, bool)
    mask[[2, 5, *range(12, 21)]] = True
    assert default_parameters(case._replace(mask=mask)).calibration == (24, 9)
    assert default_parameters(case._replace(padding=(10, 22))).calibration == (24, 12)
    path = write_volume(tmp_path, volume())
    change(path, mask=np.arange(32) == 16)
    found = estimate(path, tmp_path / "cache", lambda *_: None)
    assert (found.written, len(found.problems)) == (0, 2)
    assert "this mask has 40 x 1" in found.problems[0]


def test_a_slice_that_cannot_be_used_is_said_and_passed_over(tmp_path):
    path = write_volume(tmp_path, volume())
    with h5py.File(path, "r+") as file:
        file["kspace"][0] = 0
    calls = []
    found = estimate(path, tmp_path / "cache", lambda *call: calls.append(call))
    assert (found.written, found.kept, len(calls)) == (1, 0, 2)
    assert "slice 0 is all zero" in found.problems[0]


def test_an_interrupted_write_leaves_nothing(filled, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(map_cache.os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        estimate(filled[0], tmp_path / "cache", lambda *_: None)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_to_is_an_error(filled, tmp_path):
    Path(tmp_path / "cache").write_text("a file")
    with pytest.raises(OSError, match="cache"):
        estimate(filled[0], tmp_path / "cache", lambda *_: None)
