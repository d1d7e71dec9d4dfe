"""Read fastMRI's HDF5 files, knee and brain, multi-coil and single-coil, one slice at a time.

The layout: `kspace` (slice, coil, ny, nx), or (slice, ny, nx) for a single coil; the target `reconstruction_rss`, or
`reconstruction_esc` for a single coil, (slice, ty, tx); optionally `mask` (nx,), `maps` with the shape of `kspace`,
the XML text `ismrmrd_header`, and the attributes `max`, `padding_left`, `padding_right`.
https://fastmri.med.nyu.edu, Zbontar et al., arXiv:1811.08839.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data_prep.cases import Case, InputError
from data_prep.header import parse
from data_prep.safe_hdf5 import (
    find_dataset,
    number_attribute,
    open_file,
    read,
    read_text,
    refusal,
)
from jaxcs.fourier import centre_slice


class SliceInfo(NamedTuple):
    """What is known of a slice before its values are read.

    name: "file1000769.h5:17", the name of its `Case`.
    volume: "file1000769.h5".
    path: the file.
    slice_index: the slice in the file, from 0.
    shape: (coil, ny, nx) of its k-space.
    """

    name: str
    volume: str
    path: Path
    slice_index: int
    shape: tuple[int, int, int]


class _Header(NamedTuple):
    """The numbers of an ISMRMRD header that are used, None where it lacks them.

    columns: width of the encoded matrix.
    centre, maximum: the phase-encode lines that hold the k-space centre and that were measured last.
    recon: (rows, columns) of the scanner's own image.
    """

    columns: int | None = None
    centre: int | None = None
    maximum: int | None = None
    recon: tuple[int, int] | None = None


class _Volume(NamedTuple):
    """An open file whose layout has been checked.  `target`: None where it must be computed; `crop`: its (ty, tx)."""

    path: Path
    kspace: h5py.Dataset
    target: h5py.Dataset | None
    maps: h5py.Dataset | None
    mask: np.ndarray | None
    padding: tuple[int, int]
    crop: tuple[int, int]
    maximum: float | None


def list_slices(path: str | Path) -> list[SliceInfo]:
    """Every slice of a file, or of all `*.h5` files of a folder in the order of their names.

    Each file is opened once and its layout checked; values are not read.

    Raises InputError, naming the file, for the first that is missing, damaged or not of fastMRI's layout.
    """
    found = []
    for file_path in volume_files(Path(path)):
        with open_file(file_path) as file:
            volume = _volume(file_path, file)
            slices, *shape = volume.kspace.shape
            ny, nx = shape[-2:]
            coils = shape[0] if len(shape) == 3 else 1
        name = file_path.name
        found += [SliceInfo(f"{name}:{index}", name, file_path, index, (coils, ny, nx)) for index in range(slices)]
    return found


def read_slice(info: SliceInfo) -> Case:
    """One slice of `list_slices` with its values.

    The target is the file's own, or where it has none the root-sum-of-squares of the inverse Fourier transform, cut
    to the header's image size where that is known.  A target larger than the k-space matrix is cut to it.  Where the
    file lacks the attribute `max`, all its slices are read once to find the maximum.

    Raises InputError where the file or the slice cannot be used.
    """
    with open_file(info.path) as file:
        volume = _volume(info.path, file)
        kspace = _kspace(volume, info.slice_index)
        return Case(
            name=info.name,
            volume=info.volume,
            kspace=kspace,
            target=_target(volume, info.slice_index, kspace),
            data_range=volume.maximum or _largest_target(info.path, info.path.stat().st_mtime_ns),
            padding=volume.padding,
            mask=volume.mask,
            maps=None if volume.maps is None else _complex(volume, volume.maps, info.slice_index),
        )


@lru_cache(maxsize=1)
def _largest_target(path: Path, modified: int) -> float:
    """The maximum of a volume's targets, of the slices that can be used; kept while they are read one by one."""
    del modified  # part of the key only: a file that changed is read again
    largest = 0.0
    with open_file(path) as file:
        volume = _volume(path, file)
        for index in range(volume.kspace.shape[0]):
            with suppress(InputError):
                largest = max(largest, float(_target(volume, index).max()))
    return largest


def volume_files(path: Path) -> list[Path]:
    """The file itself, or the folder's `*.h5` files without hidden ones (macOS leaves "._name.h5" beside a copy)."""
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix == ".h5" and not file.name.startswith("."))
    except OSError as error:
        raise refusal(path, error.strerror or "cannot be listed", "check the folder's permissions") from error
    if not files:
        raise refusal(path, "no .h5 file in this folder", "give a folder of fastMRI files, or one file")
    return files


def _volume(path: Path, file: h5py.File) -> _Volume:
    """Check the layout of an open file; of the values only the header and the mask are read."""
    kspace = find_dataset(file, "kspace", kinds="c", axes=(3, 4))
    if kspace is None:
        raise refusal(path, "no dataset 'kspace'", "give a file of fastMRI's layout")
    slices, (ny, nx) = kspace.shape[0], kspace.shape[-2:]
    target_name = "reconstruction_esc" if kspace.ndim == 3 else "reconstruction_rss"
    target = find_dataset(file, target_name, kinds="f", axes=(3,))
    if target is not None and target.shape[0] != slices:
        problem = f"'{target_name}' has {target.shape[0]} slices, 'kspace' {slices}"
        raise refusal(path, problem, "give a file in which they agree")
    mask = _mask(path, file, nx)
    if mask is not None and target is None:
        problem = f"already under-sampled (it has a 'mask') and without the ground truth '{target_name}'"
        raise refusal(path, problem, "give a fully sampled file, fastMRI's train or val and not its test")
    maps = find_dataset(file, "maps", kinds="c", axes=(kspace.ndim,))
    if maps is not None and maps.shape != kspace.shape:
        problem = f"'maps' has shape {maps.shape}, 'kspace' {kspace.shape}"
        raise refusal(path, problem, "give maps of the shape of 'kspace'")
    header = _header(path, file)
    ty, tx = target.shape[1:] if target is not None else header.recon or (ny, nx)
    maximum = number_attribute(file, "max")
    if maximum is not None and maximum <= 0:
        raise refusal(path, f"attribute 'max' is {maximum}", "correct it, or delete it to have it computed")
    return _Volume(
        path=path,
        kspace=kspace,
        target=target,
        maps=maps,
        mask=mask,
        padding=_padding(path, file, header, nx),
        # A volume like the FLAIR one of 203 columns has a target wider than its k-space.
        crop=(min(ty, ny), min(tx, nx)),
        maximum=maximum,
    )


def _mask(path: Path, file: h5py.File, nx: int) -> np.ndarray | None:
    """The (nx,) bool columns that a file already under-sampled holds, None for a fully sampled file."""
    dataset = find_dataset(file, "mask", kinds="biuf", axes=(1,))
    if dataset is None:
        return None
    mask = read(dataset)
    if mask.shape != (nx,) or not np.isin(mask, (0, 1)).all() or not mask.any():
        problem = f"'mask' does not say 0 or 1 for each of the {nx} columns, with at least one 1"
        raise refusal(path, problem, "correct it, or delete it if the file is fully sampled")
    return mask.astype(bool)


def _padding(path: Path, file: h5py.File, header: _Header, nx: int) -> tuple[int, int]:
    """The measured columns [left, right), as fastMRI defines them: from the attributes, else from the header."""
    left, right = number_attribute(file, "padding_left"), number_attribute(file, "padding_right")
    if left is not None or right is not None:
        left, right = left or 0, nx if right is None else right
        if not 0 <= left < right <= nx or left % 1 or right % 1:
            problem = f"padding_left {left:g} and padding_right {right:g} are not a range within {nx} columns"
            raise refusal(path, problem, "correct or delete these attributes")
        return int(left), int(right)
    # Where the header encodes another width than k-space has, its lines cannot be assigned to columns.
    if header.columns != nx or header.centre is None or header.maximum is None:
        return 0, nx
    first = nx // 2 - header.centre
    left, right = max(first, 0), min(first + header.maximum + 1, nx)
    if left >= right:
        problem = f"the header's limits, centre {header.centre} and maximum {header.maximum}, leave no column"
        raise refusal(path, problem, "correct the header or set padding_left and padding_right")
    return left, right


def _header(path: Path, file: h5py.File) -> _Header:
    """The numbers of the file's ISMRMRD header, if it has one."""
    text = read_text(file, "ismrmrd_header")
    if text is None:
        return _Header()
    encoding = parse(path, "ismrmrd_header", text).find("encoding")
    if encoding is None:
        return _Header()
    rows, columns = encoding.number("reconSpace/matrixSize/x"), encoding.number("reconSpace/matrixSize/y")
    header = _Header(
        columns=encoding.number("encodedSpace/matrixSize/y"),
        centre=encoding.number("encodingLimits/kspace_encoding_step_1/center"),
        maximum=encoding.number("encodingLimits/kspace_encoding_step_1/maximum"),
        recon=None if rows is None or columns is None else (rows, columns),
    )
    if header.recon is not None and min(header.recon) < 1:
        raise refusal(path, f"'ismrmrd_header' gives the image size {header.recon}", "correct or delete it")
    return header


def _complex(volume: _Volume, dataset: h5py.Dataset, index: int) -> np.ndarray:
    """One slice of `kspace` or `maps`, (coil, ny, nx) complex64, checked to be finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # too large for complex64 becomes infinite, found below
        values = read(dataset, index).astype(np.complex64)
    if not np.isfinite(values).all():
        problem = f"'{dataset.name[1:]}' of slice {index} holds NaN, infinity or numbers too large for complex64"
        raise refusal(volume.path, problem, "repair the file or leave it out")
    return values.reshape((-1, *values.shape[-2:]))


def _kspace(volume: _Volume, index: int) -> np.ndarray:
    """The k-space of one slice, (coil, ny, nx) complex64, zero outside the file's mask."""
    kspace = _complex(volume, volume.kspace, index)
    if volume.mask is not None:
        kspace = np.where(volume.mask, kspace, np.complex64(0))
    if not kspace.any():
        raise refusal(volume.path, f"'kspace' of slice {index} is all zero", "repair the file or leave it out")
    return kspace


def _target(volume: _Volume, index: int, kspace: np.ndarray | None = None) -> np.ndarray:
    """The target of one slice, cropped, (ty, tx) float32, checked to be a magnitude; `kspace` spares a reading."""
    with np.errstate(over="ignore"):
        if volume.target is not None:
            target = read(volume.target, index).astype(np.float32)
        else:
            target = _root_sum_of_squares(_kspace(volume, index) if kspace is None else kspace)
    # fastMRI crops inside the image, never in k-space.
    rows, columns = (centre_slice(size, width) for size, width in zip(target.shape, volume.crop, strict=True))
    target = target[rows, columns]
    if not np.isfinite(target).all() or target.min() < 0 or target.max() == 0:
        problem = f"the target of slice {index} is all zero, or has NaN, infinite or negative values"
        raise refusal(volume.path, problem, "repair the file or leave it out")
    return target


def _root_sum_of_squares(kspace: np.ndarray) -> np.ndarray:
    """Magnitude over all coils, (ny, nx) float32, through float64: raw values of 1e-25 have squares below float32."""
    power = np.zeros(kspace.shape[1:])
    for coil in kspace:
        image = np.fft.ifft2(np.fft.ifftshift(coil.astype(np.complex128)), norm="ortho")
        power += image.real**2 + image.imag**2
    return np.fft.fftshift(np.sqrt(power)).astype(np.float32)
