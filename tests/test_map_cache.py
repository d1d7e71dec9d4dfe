"""The cache of coil maps: right maps, found again by content, resumed, never half written."""

from pathlib import Path

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep import maps as map_cache
from data_prep.fastmri import list_slices, read_slice
from data_prep.layout import write_volume
from data_prep.maps import Filled, cache_folder, coil_maps, fill
from jaxcs.coils.espirit import EspiritConfig, espirit
from tests.asserts import relative_error
from tests.test_data_check import change, scan, volume

WHOLE = (24, 24)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return cache_folder()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of two volumes of one shape."""
    found = tmp_path_factory.mktemp("volumes")
    write_volume(found, volume("a", scan(seed=1)))
    write_volume(found, volume("b", scan(seed=2)))
    return found


def entry(case, calibration=WHOLE):
    return map_cache._entry(cache_folder(), case.kspace, calibration)


def test_every_slice_gets_its_maps_which_are_then_found(folder, cache, capsys, monkeypatch):
    assert fill(folder, 1.0) == Filled(4, 0, [])
    assert "4/4 slices" in capsys.readouterr().err
    assert len(list(cache.iterdir())) == 4
    estimated = [espirit(jnp.asarray(case.kspace * 1e5), WHOLE, EspiritConfig()) for case in cases(folder)]
    monkeypatch.setattr(map_cache, "espirit", None)
    for case, expected in zip(cases(folder), estimated, strict=True):
        maps = coil_maps(case.kspace, WHOLE)
        assert maps.dtype == np.complex64
        assert relative_error(maps, expected) < 1e-4
        # A mask that leaves the centre whole needs no maps of its own.
        masked = case.kspace.copy()
        masked[..., 0] = 0
        np.testing.assert_array_equal(coil_maps(masked, WHOLE), maps)


def cases(folder):
    return [read_slice(info) for info in list_slices(folder)]


def test_a_second_run_keeps_what_is_there_and_mends_what_is_damaged(folder, cache):
    fill(folder, 1.0)
    first, second, third, _ = sorted(cache.iterdir())
    content, stamp = first.read_bytes(), first.stat().st_mtime_ns
    second.write_bytes(content[:-8])
    np.save(third, np.array([{}], object), allow_pickle=True)
    assert fill(folder, 1.0) == Filled(2, 2, [])
    assert first.stat().st_mtime_ns == stamp
    assert all(path.stat().st_size == len(content) for path in cache.iterdir())


def test_other_data_or_parameters_find_nothing(folder, cache, monkeypatch):
    fill(folder, 1.0)
    case = cases(folder)[0]
    changed = case.kspace.copy()
    changed[0, 20, 16] *= 2
    assert map_cache._cached(case.kspace, WHOLE) is not None
    assert map_cache._cached(changed, WHOLE) is None
    assert map_cache._cached(case.kspace, (24, 12)) is None
    monkeypatch.setattr(map_cache, "_CONFIG", EspiritConfig(crop=0.9))
    assert map_cache._cached(case.kspace, WHOLE) is None


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<c8'\n\n", b"PK\x03\x04", b"x" * 500]
)
def test_damaged_entries_count_as_absent(folder, cache, content):
    case = cases(folder)[0]
    cache.mkdir(parents=True)
    entry(case).write_bytes(content)
    assert map_cache._cached(case.kspace, WHOLE) is None


def test_an_entry_that_declares_more_than_it_holds_takes_no_memory(folder, cache):
    case = cases(folder)[0]
    cache.mkdir(parents=True)
    with entry(case).open("wb") as file:
        shape = {"descr": "<c8", "fortran_order": False, "shape": (10**6, 10**6)}
        np.lib.format.write_array_header_1_0(file, shape)
    assert map_cache._cached(case.kspace, WHOLE) is None


def test_the_calibration_region_is_the_one_that_masks_will_have(folder, cache, tmp_path):
    case = cases(folder)[0]
    mask = np.zeros(32, bool)
    mask[[2, 5, *range(12, 21)]] = True
    assert map_cache._calibration(case, 0.25) == (24, 8)
    assert map_cache._calibration(case._replace(mask=mask), 0.25) == (24, 9)
    assert map_cache._calibration(case._replace(padding=(10, 22)), 1.0) == (24, 12)
    path = write_volume(tmp_path, volume())
    change(path, mask=np.arange(32) == 16)
    found = fill(path, 1.0)
    assert (found.written, len(found.problems)) == (0, 2)
    assert "this mask has 40 x 1" in found.problems[0]


def test_a_slice_that_cannot_be_used_is_said_and_passed_over(tmp_path, cache):
    path = write_volume(tmp_path, volume())
    with h5py.File(path, "r+") as file:
        file["kspace"][0] = 0
    found = fill(path, 1.0)
    assert (found.written, found.kept) == (1, 0)
    assert "slice 0 is all zero" in found.problems[0]


def test_an_interrupted_write_leaves_nothing(folder, cache, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fill(folder, 1.0)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_to_is_an_error(folder, tmp_path, monkeypatch):
    Path(tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        fill(folder, 1.0)
    # An experiment does without one.
    assert coil_maps(cases(folder)[0].kspace, WHOLE).any()
