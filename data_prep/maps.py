"""Coil maps once and for all: ESPIRiT's of every slice of a folder, kept in a cache that is looked up by content.

An entry is named by the SHA-256 of the slice's k-space and of all that its maps depend on besides, so that neither a
file's new name nor a copy needs new maps, and changed data or parameters never get old ones.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.cases import Case, InputError
from data_prep.fastmri import list_slices, read_slice
from data_prep.safe_hdf5 import printable
from jaxcs.coils.espirit import EspiritConfig, check_calibration, espirit
from jaxcs.masks.report import acs_width

# Part of every name: count it up when `espirit` gives other maps for the same parameters.
_VERSION = 1


class MapParameters(NamedTuple):
    """What maps depend on besides k-space.

    calibration: (rows, columns) of the region they are estimated from.
    """

    calibration: tuple[int, int]
    config: EspiritConfig


class Estimated(NamedTuple):
    """What became of the slices of a folder.

    written: number of new entries.  kept: number of those that were there.  problems: a line for each slice without.
    """

    written: int
    kept: int
    problems: list[str]


def estimate(folder: str | Path, cache: Path, progress: Callable[[int, int, str], None]) -> Estimated:
    """Write ESPIRiT maps of every slice of a folder, or of one file, to `cache`, one slice in memory at a time.

    Entries that are there are kept, so that an interrupted run goes on where it stopped.  Slices of one shape share one
    compilation.
    progress: called after each slice with the number done, the number in all and the slice's name.

    Raises InputError where a file is missing, damaged or not of fastMRI's layout, OSError where the cache cannot be
    written to.
    """
    slices = list_slices(folder)
    cache.mkdir(parents=True, exist_ok=True)
    written, kept, problems = 0, 0, []
    for done, info in enumerate(slices, start=1):
        try:
            case = read_slice(info)
            parameters = default_parameters(case)
            if cached(cache, case.kspace, parameters) is None:
                _write(_entry(cache, case.kspace, parameters), _maps(case, parameters))
                written += 1
            else:
                kept += 1
        except InputError as error:
            problems.append(str(error))
        progress(done, len(slices), info.name)
    return Estimated(written, kept, problems)


def default_parameters(case: Case) -> MapParameters:
    """The default ESPIRiT, calibrated on the centre of what the case measured, as an experiment on all of it would.

    Raises InputError where that centre is smaller than a kernel.
    """
    ny, nx = case.kspace.shape[-2:]
    measured = np.ones(nx, bool) if case.mask is None else case.mask.copy()
    measured[: case.padding[0]] = False
    measured[case.padding[1] :] = False
    width = acs_width(measured)
    assert isinstance(width, int)  # because the mask is one of columns
    config = EspiritConfig()
    try:
        return MapParameters(check_calibration((ny, width), config), config)
    except ValueError as error:
        raise InputError(printable(f"{case.name}: {error}")) from error


def cached(cache: Path, kspace: np.ndarray, parameters: MapParameters) -> np.ndarray | None:
    """The maps (coil, ny, nx) complex64 of a slice, or None where the cache holds none that are whole.

    kspace: (coil, ny, nx) complex64 as `read_slice` gives it, in raw units and before any mask of an experiment.
    """
    try:
        # Mapped: a damaged header that declares more than the file holds takes no memory, and nothing is unpickled.
        stored = np.lib.format.open_memmap(_entry(cache, kspace, parameters), mode="r")
        if stored.shape != kspace.shape or stored.dtype != np.complex64:
            return None
        maps = np.array(stored)
    except Exception:  # absent, or damaged in any of the ways that a header can be: estimated anew
        return None
    return maps if np.isfinite(maps).all() else None


def _maps(case: Case, parameters: MapParameters) -> np.ndarray:
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    maps = np.asarray(espirit(case.kspace / np.abs(case.kspace).max(), parameters.calibration, parameters.config))
    if not maps.any() or not np.isfinite(maps).all():
        problem = f"{case.name}: coil maps are zero everywhere or not finite: its calibration region holds no signal"
        raise InputError(printable(problem))
    return maps


def _entry(cache: Path, kspace: np.ndarray, parameters: MapParameters) -> Path:
    words = [_VERSION, kspace.shape, parameters.calibration, asdict(parameters.config)]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(kspace, "<c8").data)
    return cache / f"{digest.hexdigest()}.npy"


def _write(path: Path, maps: np.ndarray) -> None:
    """Whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            np.save(file, maps, allow_pickle=False)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
