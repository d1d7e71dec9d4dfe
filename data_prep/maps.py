"""Coil maps once and for all: ESPIRiT's of every slice of a folder, kept in a cache that is looked up by content.

An entry is named by the SHA-256 of all that maps depend on, the calibration region's values and the parameters.  So
neither a file's new name nor another mask with the same centre needs new maps, and changed data never get old ones.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.cases import Case, InputError
from data_prep.files import list_cases
from data_prep.progress import Progress
from data_prep.safe_hdf5 import printable
from data_prep.user_cache import user_cache
from data_prep.whole import whole_file
from jaxcs.coils.espirit import EspiritConfig, check_calibration, espirit
from jaxcs.fourier import centre_slice
from jaxcs.masks.report import acs_width
from jaxcs.masks.request import centre_lines

# Part of every name: count it up when `espirit` gives other maps for the same parameters.
_VERSION = 1
_CONFIG = EspiritConfig()


class Filled(NamedTuple):
    """What became of the slices of a folder.

    written: number of new entries.  kept: number of those that were there.  problems: a line for each slice without.
    """

    written: int
    kept: int
    problems: list[str]


def cache_folder() -> Path:
    """Where maps are kept.  Raises OSError where the user has no home."""
    return user_cache("maps")


def fill(folder: str | Path, center_fraction: float) -> Filled:
    """Put ESPIRiT maps of every slice of a folder, or of one file, into the cache, one slice in memory at a time.

    Entries that are there are kept, so that an interrupted run goes on where it stopped.  Slices of one shape share one
    compilation.  Progress is shown on stderr.

    center_fraction: share of the columns that the masks to come sample fully about the centre.

    Raises InputError where a file is missing, damaged or not of fastMRI's layout, OSError where the cache cannot be
    written to.
    """
    found, cache = list_cases(folder, validation=None), cache_folder()
    progress = Progress(len(found.slices), "slices")
    written, kept, problems = 0, 0, []
    for info, case in zip(found.slices, found.read_all(found.slices), strict=True):
        try:
            if isinstance(case, InputError):
                raise case
            calibration = _calibration(case, center_fraction)
            if _cached(case.kspace, calibration) is None:
                maps = _estimated(case, calibration)
                with whole_file(_entry(cache, case.kspace, calibration)) as part, part.open("wb") as file:
                    np.save(file, maps, allow_pickle=False)
                written += 1
            else:
                kept += 1
        except InputError as error:
            problems.append(str(error))
        progress.advance(info.name)
    return Filled(written, kept, problems)


def coil_maps(kspace: np.ndarray, calibration: tuple[int, int]) -> np.ndarray:
    """ESPIRiT's maps (coil, ny, nx) complex64 of a slice, from the cache if it has them.

    kspace: (coil, ny, nx) complex64 in raw units, whole or masked.
    calibration: (rows, columns) of the fully sampled centre that they are estimated from.
    """
    found = _cached(kspace, calibration)
    if found is not None:
        return found
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    largest = np.abs(_centre(kspace, calibration)).max()
    return np.asarray(espirit(kspace / (largest if largest > 0 else np.float32(1)), calibration, _CONFIG))


def maps_of(case: Case, center_fraction: float) -> np.ndarray:
    """The maps of a whole scan that suit every mask with this centre: those of its source, else ESPIRiT's.

    Raises InputError where they cannot be estimated.
    """
    return case.maps if case.maps is not None else _estimated(case, _calibration(case, center_fraction))


def _calibration(case: Case, center_fraction: float) -> tuple[int, int]:
    """The region that an experiment with such a mask calibrates on.  Raises InputError where it is too small."""
    ny, nx = case.kspace.shape[-2:]
    measured = np.ones(nx, bool) if case.mask is None else case.mask.copy()
    measured[: case.padding[0]] = False
    measured[case.padding[1] :] = False
    width = acs_width(measured)
    assert isinstance(width, int)  # because the mask is one of columns
    try:
        if case.mask is None:
            width = min(width, centre_lines("maps", nx, 1.0, center_fraction))
        return check_calibration((ny, width), _CONFIG)
    except ValueError as error:
        raise InputError(printable(f"{case.name}: {error}")) from error


def _estimated(case: Case, calibration: tuple[int, int]) -> np.ndarray:
    maps = coil_maps(case.kspace, calibration)
    if not maps.any() or not np.isfinite(maps).all():
        problem = f"{case.name}: coil maps are zero everywhere or not finite: its calibration region holds no signal"
        raise InputError(printable(problem))
    return maps


def _cached(kspace: np.ndarray, calibration: tuple[int, int]) -> np.ndarray | None:
    """The maps of a slice, or None where the cache holds none that are whole."""
    try:
        # Mapped: a damaged header that declares more than the file holds takes no memory, and nothing is unpickled.
        stored = np.lib.format.open_memmap(_entry(cache_folder(), kspace, calibration), mode="r")
        if stored.shape != kspace.shape or stored.dtype != np.complex64:
            return None
        maps = np.array(stored)
    except Exception:  # absent, or damaged in any of the ways that a header can be: estimated anew
        return None
    return maps if np.isfinite(maps).all() else None


def _centre(kspace: np.ndarray, calibration: tuple[int, int]) -> np.ndarray:
    rows, columns = (centre_slice(size, width) for size, width in zip(kspace.shape[-2:], calibration, strict=True))
    return kspace[:, rows, columns]


def _entry(cache: Path, kspace: np.ndarray, calibration: tuple[int, int]) -> Path:
    words = [_VERSION, kspace.shape, calibration, asdict(_CONFIG)]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(_centre(kspace, calibration), "<c8").data)
    return cache / f"{digest.hexdigest()}.npy"
