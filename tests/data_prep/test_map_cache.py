"""The cache of coil maps: correct maps, found by content, resumed, never half written."""

import os
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
from tests.data_prep.test_data_check import change, scan, volume
from tests.helpers.asserts import relative_error

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


@pytest.fixture
def filled(folder, cache, monkeypatch):
    """The folder, with invented maps in the cache, written under a permissive umask."""
    monkeypatch.setattr(map_cache, "espirit", lambda kspace, *_: np.asarray(kspace) + 1)
    before = os.umask(0)
    try:
        assert fill(folder, 1.0) == Filled(4, 0, [])
    finally:
        os.umask(before)
    return folder


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
        # A mask that leaves the centre whole needs no other maps.
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
    third.write_bytes(content)  # another entry's content
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


@pytest.mark.parametrize("damage", ["empty", "text", "short", "long", "a flipped bit", "another's name"])
def test_a_damaged_entry_is_not_used_and_that_is_said_once(filled, cache, capsys, damage):
    first, second = cases(filled)[:2]
    content = entry(first).read_bytes()
    entry(first).write_bytes(
        {
            "empty": b"",
            "text": b"x" * len(content),
            "short": content[:-1],
            "long": content + b"x",
            "a flipped bit": content[:5000] + bytes([content[5000] ^ 1]) + content[5001:],
            "another's name": entry(second).read_bytes(),
        }[damage]
    )
    for _ in range(2):
        assert map_cache._cached(first.kspace, WHOLE) is None
    assert map_cache._cached(second.kspace, WHOLE) is not None
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"note: {entry(first)} is damaged; its maps are estimated anew")


def test_entries_are_the_users_own_whatever_the_umask(filled, cache):
    for path in (cache, *cache.iterdir()):
        assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("changed", ["folder", "entry"])
def test_what_others_can_write_to_is_neither_used_nor_filled(filled, cache, capsys, changed):
    case = cases(filled)[0]
    path = {"folder": cache, "entry": entry(case)}[changed]
    path.chmod(path.stat().st_mode | 0o020)
    assert map_cache._cached(case.kspace, WHOLE) is None
    line = f"note: maps in the cache are not used: {path}: others can write to it; forbid that by chmod go-w\n"
    assert capsys.readouterr().err == line
    if changed == "folder":
        with pytest.raises(PermissionError, match="others can write to it"):
            fill(filled, 1.0)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give a file away")
def test_what_is_another_users_is_not_used(filled, cache, capsys):
    case = cases(filled)[0]
    os.chown(entry(case), 65534, -1)
    assert map_cache._cached(case.kspace, WHOLE) is None
    assert "is another user's; name another folder by XDG_CACHE_HOME" in capsys.readouterr().err


def test_what_a_killed_run_left_goes(filled, cache):
    (cache / ".0123456789abcdef.partial").write_bytes(b"half")
    assert fill(filled, 1.0) == Filled(0, 4, [])
    assert all(path.suffix == ".maps" for path in cache.iterdir())


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
    # An experiment does not need the cache.
    assert coil_maps(cases(folder)[0].kspace, WHOLE).any()
