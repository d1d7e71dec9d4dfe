"""Convert complex or magnitude images, in HDF5 or NIfTI, to k-space of simulated or given coils."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep import images
from data_prep.coil_array import COILS, Receiver, measure, sensitivities
from data_prep.combine import unit_maps
from data_prep.layout import Volume
from data_prep.nifti import read_nifti
from data_prep.safe_hdf5 import LARGEST_DATASET, dataset_names, find_dataset, holds, open_file, read, refusal
from data_prep.text import decoded
from jaxcs.names import printable

_LONGEST_NAME = 100  # characters of a dataset's name in a volume's name
_ENDINGS = (".h5", ".nii", ".nii.gz")
# A covariance that is further from Hermitian than this, relative to its maximum, does not differ by rounding alone.
_HERMITIAN = 1e-5
# A covariance with a smaller eigenvalue than this may not have a Cholesky factor.
_SINGULAR = 1e-12
_SMALLEST, _LARGEST = 1e-3, 1e3  # limits for the maximum of maps: squares of coil images must fit into float32


class _Coils(NamedTuple):
    """Given coils: maps (coil, ny, nx), and covariance (coil, coil) of their noise, None for the default."""

    path: Path
    maps: np.ndarray
    covariance: np.ndarray | None


def volumes(path: Path, maps: Path | None, snr: float | None) -> Iterator[Volume]:
    """Convert the images of a file or folder to volumes of k-space.

    An HDF5 file has the volumes of `data_prep.images`.  If it has no `image`, each complex dataset, (ny, nx) or
    (image, ny, nx), is a volume.  In a NIfTI file each entry of the fourth axis is a volume.  Without other arguments
    k-space is the same as `bench.attack` computes from an HDF5 file of images.

    Given maps are written too, divided by their root sum of squares.  The object is then the image times this root sum
    of squares.

    Args:
        path: a file, or a folder of files.
        maps: an HDF5 file with `maps` (coil, ny, nx) and optionally `noise_covariance` (coil, coil), up to a factor.
            None simulates eight coils.
        snr: median of the noise-free image over tissue, divided by the standard deviation of the noise [-].  Infinity
            adds no noise, and None draws the ratio for each image (`data_prep.coil_array`).

    Yields:
        The volumes, one at a time.

    Raises:
        InputError: If a file cannot be used, or the maps do not fit it.
    """
    coils = None if maps is None else _given(maps)
    for file in _files(path):
        if file.suffix == ".h5":
            yield from _of_hdf5(file, coils, snr)
        else:
            yield from _of_nifti(file, coils, snr)


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.name.endswith(_ENDINGS) and not file.name.startswith("."))
    if not found:
        raise refusal(path, "no .h5, .nii or .nii.gz file in this folder", "give a folder of images, or one file")
    return found


def _of_hdf5(path: Path, coils: _Coils | None, snr: float | None) -> Iterator[Volume]:
    with open_file(path) as file:
        names = [] if holds(file, "image") else dataset_names(file, "c")
    if names:
        yield from _of_datasets(path, names, coils, snr)
        return
    for name, slices in groupby(images.list_images(path, validation=None), lambda info: info.volume):
        infos = list(slices)
        _check_size(path, len(infos), infos[0].shape[1:], coils)
        kspace = [_scan(path, images.read_pixels(info), info.slice_index, coils, snr) for info in infos]
        yield _volume(name.replace(".h5", "", 1), kspace, coils, snr)


def _of_datasets(path: Path, names: list[str], coils: _Coils | None, snr: float | None) -> Iterator[Volume]:
    first = 0
    for name in names:
        with open_file(path) as file:
            dataset = find_dataset(file, name, "c", (2, 3))
            assert dataset is not None
            _check_size(path, math.prod(dataset.shape[:-2]), dataset.shape[-2:], coils)
            stack = read(dataset).reshape(-1, *dataset.shape[-2:])
        for index, image in enumerate(stack):
            images.require_usable(path, f"image {index} of '{name}'", image)
        kspace = [_scan(path, image, first + index, coils, snr) for index, image in enumerate(stack)]
        first += len(stack)
        words = printable(decoded(name.encode(errors="surrogateescape")))[:_LONGEST_NAME]
        yield _volume(f"{path.stem}-{words}", kspace, coils, snr)


def _of_nifti(path: Path, coils: _Coils | None, snr: float | None) -> Iterator[Volume]:
    found = read_nifti(path)
    stem = path.name.removesuffix(".gz").removesuffix(".nii")
    for number, stored in enumerate(found.images):
        # Some programs write NaN around the object when they cut it out.
        with np.errstate(invalid="ignore"):  # signalling NaNs
            undefined = np.isnan(stored)
        slices = np.where(undefined, stored.dtype.type(0), stored) if undefined.any() else stored
        # Slices above and below the object are empty.
        kept = [index for index, image in enumerate(slices) if image.any()]
        if not kept:
            raise refusal(path, f"volume {number} is zero{' or NaN' if undefined.any() else ''}", "leave it out")
        _check_size(path, len(kept), slices.shape[1:], coils)
        for index in kept:
            images.require_usable(path, f"slice {index} of volume {number}", slices[index])
        first = number * len(slices)
        kspace = [_scan(path, slices[index], first + index, coils, snr, found.extent) for index in kept]
        volume = _volume(f"{stem}-{number}" if len(found.images) > 1 else stem, kspace, coils, snr)
        left_out = len(slices) - len(kept)
        notes = [f"{left_out} empty slices left out"] if left_out else []
        if undefined.any():
            notes.append(f"{undefined.sum()} voxels of {undefined.size} are NaN, and count as zero")
        geometry = found.geometry.moved(0, 0, kept[0]) if kept[-1] - kept[0] < len(kept) else None
        yield volume._replace(notes=(*volume.notes, *notes), geometry=geometry)


def _check_size(path: Path, count: int, shape: tuple[int, ...], coils: _Coils | None) -> None:
    """Raise InputError if `count` images of (ny, nx) would become more k-space than may be written."""
    number = COILS if coils is None else len(coils.maps)
    size = 8 * number * count * math.prod(shape)
    if size > LARGEST_DATASET:
        problem = f"its {count} images become {size} bytes of k-space of {number} coils"
        raise refusal(path, problem, f"give fewer images in a file, for at most {LARGEST_DATASET} bytes")


def _scan(
    path: Path,
    image: np.ndarray,
    index: int,
    coils: _Coils | None,
    snr: float | None,
    extent: tuple[float, float] | None = None,
) -> np.ndarray:
    """(coil, ny, nx) complex64 k-space, with the same noise each time.

    extent: size of the field of view (rows, columns); None for square pixels.
    """
    shape, pixels = images.square_pixels(image.shape)
    if coils is None:
        receiver = Receiver(sensitivities(shape, extent or pixels), None, snr)
    elif coils.maps.shape[1:] == shape:
        receiver = Receiver(coils.maps, coils.covariance, snr)
    else:
        problem = f"its maps are for {coils.maps.shape[1:]}, the images of {path} are {shape}"
        raise refusal(coils.path, problem, "give maps of the images' size")
    try:
        return measure(image, receiver, images.noise_seed(path, index)).astype(np.complex64)
    except ValueError as error:  # a given coil is zero in the whole object, which does not happen with simulated coils
        where = path if coils is None else coils.path
        raise refusal(where, f"{error}", "give `noise_covariance`, or other maps") from error


def _volume(name: str, kspace: list[np.ndarray], coils: _Coils | None, snr: float | None) -> Volume:
    stacked = np.stack(kspace)
    level = "none" if snr == np.inf else "of an SNR from 30 to 40" if snr is None else f"of an SNR of {snr:g}"
    return Volume(
        name=name,
        kspace=stacked,
        crop=(stacked.shape[-2], stacked.shape[-1]),
        maps=None if coils is None else np.broadcast_to(unit_maps(coils.maps), stacked.shape),
        notes=(
            f"computed from images: {'eight simulated coils' if coils is None else f'coils of {coils.path.name}'}",
            f"added noise: {level}",
        ),
    )


def _given(path: Path) -> _Coils:
    with open_file(path) as file:
        dataset = find_dataset(file, "maps", "c", (3,))
        if dataset is None:
            raise refusal(path, "holds no `maps`", "the layout is (coil, ny, nx), complex")
        with np.errstate(over="ignore", invalid="ignore"):  # too large numbers become infinite, found below
            maps = read(dataset).astype(np.complex64)
        noise = find_dataset(file, "noise_covariance", "fc", (2,))
        covariance = None if noise is None else read(noise).astype(np.complex128)
    largest = np.abs(maps).max()
    if not _SMALLEST <= largest <= _LARGEST:  # NaN compares false
        raise refusal(path, f"its maps reach {largest:.4g}", "scale them to a maximum near 1")
    if covariance is None:
        return _Coils(path, maps, None)
    if covariance.shape != (len(maps), len(maps)):
        problem = f"`noise_covariance` has shape {covariance.shape}"
        raise refusal(path, problem, f"it needs one row and column for each of {len(maps)} coils")
    with np.errstate(over="ignore", invalid="ignore"):
        covariance = covariance / np.abs(covariance).max()
        hermitian = np.abs(covariance - covariance.conj().T).max() <= _HERMITIAN
    if not hermitian or np.linalg.eigvalsh(covariance).min() <= _SINGULAR:
        raise refusal(path, "`noise_covariance` is not Hermitian and positive definite", "correct or delete it")
    return _Coils(path, maps, covariance * len(maps) / np.trace(covariance).real)
