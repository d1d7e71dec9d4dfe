"""Cache of ESPIRiT coil sensitivity maps for every slice of a folder, looked up by content.

The name of an entry is the SHA-256 of all that the maps depend on: the values of the calibration region and the
parameters.  A file with a new name, or another mask with the same centre, therefore needs no new maps.  Changed data
never get old maps.

An entry holds the SHA-256 of its name and values, 32 bytes, followed by the values.  An entry that is damaged, or that
another user may have written, is not used.  Its maps are estimated anew, with a note on stderr.
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
from data_prep.user_cache import check_own, make_own, user_cache
from data_prep.whole import remove_left, whole_file
from jaxcs.coils.espirit import EspiritConfig, check_calibration, espirit, kernel_for
from jaxcs.fourier import centre_slice
from jaxcs.masks.report import acs_width
from jaxcs.masks.request import centre_lines
from jaxcs.names import printable

# Part of every name.  Increase it if `espirit` gives other maps for the same parameters, or if entries change their
# form.
_VERSION = 2
_CONFIG = EspiritConfig()
_TYPE = np.dtype("<c8")


class Filled(NamedTuple):
    """The result of filling the cache.

    Attributes:
        written: number of new entries.
        kept: number of entries that existed before.
        problems: a line for each slice without an entry.
    """

    written: int
    kept: int
    problems: list[str]


def cache_folder() -> Path:
    """Return the folder of the maps, for this user alone.

    Raises:
        OSError: the user has no home.
    """
    return user_cache("maps")


def fill(folder: str | Path, center_fraction: float) -> Filled:
    """Put ESPIRiT maps of every slice of a folder, or of one file, into the cache, one slice in memory at a time.

    Existing entries are kept, so an interrupted run continues at the point at which it stopped.  Slices of the same
    shape share one compilation.  Progress is shown on stderr.

    Args:
        folder: a folder of fastMRI's layout, or one file.
        center_fraction: share of the columns that future masks sample fully about the centre [-].

    Returns:
        The number of entries, and the problems.

    Raises:
        InputError: If a file is missing, damaged or not of fastMRI's layout.
        OSError: If the cache cannot be written to, or does not belong to the user.
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
    """Give the ESPIRiT maps of a slice, from the cache if it has them.

    Args:
        kspace: (coil, ny, nx) complex64 in raw units, whole or masked.
        calibration: (rows, columns) of the fully sampled centre from which the maps are estimated [samples].

    Returns:
        (coil, ny, nx) complex64 coil sensitivity maps.
    """
    found = _cached(kspace, calibration)
    if found is not None:
        return found
    # Divided by the maximum, because the squares of raw values of 1e-25 would vanish in float32.
    largest = np.abs(_centre(kspace, calibration)).max()
    return np.asarray(espirit(kspace / (largest if largest > 0 else np.float32(1)), calibration, _CONFIG))


def maps_of(case: Case, center_fraction: float) -> np.ndarray:
    """Give the maps of a whole scan that suit every mask with this centre: the source's maps, else ESPIRiT's.

    Args:
        case: the scan.
        center_fraction: share of the columns that the masks sample fully about the centre [-].

    Returns:
        (coil, ny, nx) complex64 coil sensitivity maps.

    Raises:
        InputError: If the maps cannot be estimated.
    """
    return case.maps if case.maps is not None else _estimated(case, _calibration(case, center_fraction))


def _calibration(case: Case, center_fraction: float) -> tuple[int, int]:
    """The calibration region of an experiment with such a mask.  Raises InputError if it is too small."""
    ny, nx = case.kspace.shape[-2:]
    measured = np.ones(nx, bool) if case.mask is None else case.mask.copy()
    measured[: case.padding[0]] = False
    measured[case.padding[1] :] = False
    width = acs_width(measured)
    assert isinstance(width, int)  # because the mask is a mask of columns
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
    """The maps of a slice, or None if the cache has no entry, or an unreliable entry, which is reported."""
    try:
        path = _entry(cache_folder(), kspace, calibration)
        check_own(path.parent)
        check_own(path)
        with path.open("rb") as file:
            # The size is checked before reading, because a wrong file may be of any size.
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
    except OSError:  # there cannot be a cache
        return None
    return values.reshape(kspace.shape).astype(np.complex64, copy=False)


def _keep(path: Path, maps: np.ndarray) -> None:
    values = np.ascontiguousarray(maps, _TYPE)
    with whole_file(path) as part, part.open("wb") as file:
        part.chmod(0o600)  # `check_own` refuses permissions that the user's umask may allow
        file.write(_digest(path, values))
        file.write(values.data)


def _digest(path: Path, values: np.ndarray) -> bytes:
    """The digest includes the name, so that no entry can stand for another."""
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
