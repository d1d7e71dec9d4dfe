"""Coil maps once and for all: ESPIRiT's of every slice of a folder, kept in a cache that is looked up by content.

An entry is named by the SHA-256 of all that maps depend on, the calibration region's values and the parameters.  So
neither a file's new name nor another mask with the same centre needs new maps, and changed data never get old ones.
It holds the SHA-256 of its name and values, 32 bytes, and then the values.  One that was damaged, or that another user
may have written, is not used: its maps are estimated anew, with a note on stderr.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.cases import Case, InputError
from data_prep.files import list_cases
from data_prep.progress import Progress
from data_prep.safe_hdf5 import printable
from data_prep.user_cache import check_own, make_own, user_cache
from data_prep.whole import remove_left, whole_file
from jaxcs.coils.espirit import EspiritConfig, check_calibration, espirit, kernel_for
from jaxcs.fourier import centre_slice
from jaxcs.masks.report import acs_width
from jaxcs.masks.request import centre_lines

# Part of every name: count it up when `espirit` gives other maps for the same parameters, or entries another form.
_VERSION = 2
_CONFIG = EspiritConfig()
_TYPE = np.dtype("<c8")


class Filled(NamedTuple):
    """What became of the slices of a folder.

    written: number of new entries.  kept: number of those that were there.  problems: a line for each slice without.
    """

    written: int
    kept: int
    problems: list[str]


def cache_folder() -> Path:
    """Where maps are kept, for this user alone.  Raises OSError where the user has no home."""
    return user_cache("maps")


def fill(folder: str | Path, center_fraction: float) -> Filled:
    """Put ESPIRiT maps of every slice of a folder, or of one file, into the cache, one slice in memory at a time.

    Entries that are there are kept, so that an interrupted run goes on where it stopped.  Slices of one shape share one
    compilation.  Progress is shown on stderr.

    center_fraction: share of the columns that the masks to come sample fully about the centre.

    Raises InputError where a file is missing, damaged or not of fastMRI's layout, OSError where the cache cannot be
    written to or is not the user's own.
    """
    found, kept_in = list_cases(folder, validation=None), cache_folder()
    make_own(kept_in)
    remove_left(kept_in)
    progress = Progress(len(found.slices), "slices")
    written, kept, problems = 0, 0, []
    for info, case in zip(found.slices, found.read_all(found.slices), strict=True):
        try:
            if isinstance(case, InputError):
                raise case
            calibration = _calibration(case, center_fraction)
            if _cached(case.kspace, calibration) is None:
                _keep(_entry(kept_in, case.kspace, calibration), _estimated(case, calibration))
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
        problem = f"{case.name}: coil maps from the {calibration[1]} columns of its centre are zero or not finite"
        raise InputError(printable(f"{problem}: raise --center-fraction, or leave it out"))
    return maps


def _cached(kspace: np.ndarray, calibration: tuple[int, int]) -> np.ndarray | None:
    """The maps of a slice, or None where the cache holds none; and none that can be relied on, which is said."""
    try:
        path = _entry(cache_folder(), kspace, calibration)
        check_own(path.parent)
        check_own(path)
        with path.open("rb") as file:
            # Before it is read: a wrong file may be of any size.
            if (
                os.fstat(file.fileno()).st_size
                != hashlib.sha256().digest_size + math.prod(kspace.shape) * _TYPE.itemsize
            ):
                raise ValueError("damaged")
            digest, values = file.read(hashlib.sha256().digest_size), np.fromfile(file, _TYPE)
        if digest != _digest(path, values):
            raise ValueError("damaged")
    except FileNotFoundError:
        return None
    except PermissionError as error:
        _say_once(f"maps in the cache are not used: {error.filename}: {error.strerror}")
        return None
    except ValueError:
        _say_once(f"{path} is damaged; its maps are estimated anew, and python -m data_prep maps replaces it")
        return None
    except OSError:  # no cache can be there
        return None
    return values.reshape(kspace.shape).astype(np.complex64, copy=False)


def _keep(path: Path, maps: np.ndarray) -> None:
    values = np.ascontiguousarray(maps, _TYPE)
    with whole_file(path) as part, part.open("wb") as file:
        part.chmod(0o600)  # `check_own` refuses what the user's umask may allow
        file.write(_digest(path, values))
        file.write(values.data)


def _digest(path: Path, values: np.ndarray) -> bytes:
    """With the name, so that no entry can stand for another."""
    found = hashlib.sha256(path.name.encode())
    found.update(values.data)
    return found.digest()


@cache
def _say_once(note: str) -> None:
    print(f"note: {note}", file=sys.stderr, flush=True)


def _centre(kspace: np.ndarray, calibration: tuple[int, int]) -> np.ndarray:
    rows, columns = (centre_slice(size, width) for size, width in zip(kspace.shape[-2:], calibration, strict=True))
    return kspace[:, rows, columns]


def _entry(folder: Path, kspace: np.ndarray, calibration: tuple[int, int]) -> Path:
    config = replace(_CONFIG, kernel_width=kernel_for(calibration, _CONFIG))
    words = [_VERSION, kspace.shape, calibration, asdict(config)]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(_centre(kspace, calibration), _TYPE).data)
    return folder / f"{digest.hexdigest()}.maps"
