"""Read fastMRI's HDF5 files, one slice or one volume at a time; `data_prep.fastmri_layout` describes the layout."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data_prep.acquisition import acquisition_of, of_acquisitions
from data_prep.cases import Case, InputError
from data_prep.fastmri_layout import OpenVolume, has_truth, open_volume, require_truth, volume_files
from data_prep.fourier import root_sum_of_squares
from data_prep.geometry import geometry_of
from data_prep.layout import Volume
from data_prep.plausible import doubts_of
from data_prep.safe_hdf5 import open_file, read, refusal
from jaxcs.fourier import image_slice


class SliceInfo(NamedTuple):
    """A slice as it is known before its values are read.

    Attributes:
        name: name of its `Case`, such as "file1000769.h5:17".
        volume: name of its file, such as "file1000769.h5".
        path: path of the file.
        slice_index: slice in the file, from 0.
        shape: (coil, ny, nx) of its k-space.
        boxed: whether a box around pathology is drawn in it.
    """

    name: str
    volume: str
    path: Path
    slice_index: int
    shape: tuple[int, int, int]
    boxed: bool = False


def list_slices(path: str | Path, truth: bool = True, acquisitions: Collection[str] = ()) -> list[SliceInfo]:
    """List every slice of a file, or of all `*.h5` files of a folder in the order of their names.

    Each file is opened once and its layout is checked.  Values are not read.

    Args:
        path: a file, or a folder of files.
        truth: whether every file must have a ground truth to compare with.
        acquisitions: only files of these acquisitions, see `data_prep.acquisition.is_of`; all if empty.

    Returns:
        All slices, in order.

    Raises:
        InputError: If a file is missing, damaged, not of fastMRI's layout, or without a ground truth to compare with.
            The message names the first such file.  If no file is of these acquisitions.
    """
    found = []
    for file_path in of_acquisitions(Path(path), volume_files(Path(path)), acquisitions):
        with open_file(file_path) as file:
            volume = open_volume(file_path, file)
            if truth:
                require_truth(volume)
            slices, shape = volume.kspace.shape[0], volume.shape
            boxed = {box.slice_index for box in volume.boxes}
        name = file_path.name
        found += [
            SliceInfo(f"{name}:{index}", name, file_path, index, shape, index in boxed) for index in range(slices)
        ]
    return found


def read_slice(info: SliceInfo) -> Case:
    """Read one slice of `list_slices` with its values.

    The target is the file's own.  If the file has none, the target is the root sum of squares of the inverse Fourier
    transform, cropped to the header's image size if that is known.  A target larger than the k-space matrix is cropped
    to it.  If the file lacks the attribute `max`, all its slices are read once to find the maximum.  Target and maximum
    are NaN if the file is under-sampled and has no target.

    Args:
        info: the slice.

    Returns:
        The slice as a case.

    Raises:
        InputError: If the file or the slice cannot be used.
    """
    (found,) = read_slices([info])
    if isinstance(found, InputError):
        raise found
    return found


def read_slices(slices: Iterable[SliceInfo]) -> Iterator[Case | InputError]:
    """Read slices as `read_slice` does, and open a file once for consecutive slices.

    Args:
        slices: the slices to read.

    Yields:
        For each slice its case, or the error that says why it cannot be used.
    """
    for path, in_file in groupby(slices, lambda info: info.path):
        infos = iter(in_file)  # lazily: the caller may choose each slice when its turn comes
        try:
            with open_file(path) as file:
                volume = open_volume(path, file)
                for info in infos:
                    yield _case(volume, info)
        except InputError as error:
            for _ in infos:
                yield error


def _case(volume: OpenVolume, info: SliceInfo) -> Case | InputError:
    known = has_truth(volume)
    try:
        kspace = _kspace(volume, info.slice_index)
        return Case(
            name=info.name,
            volume=info.volume,
            kspace=kspace,
            target=_target(volume, info.slice_index, kspace) if known else np.full(volume.crop, np.nan, np.float32),
            data_range=_largest(volume) if known else np.nan,
            padding=volume.padding,
            mask=volume.mask,
            maps=None if volume.maps is None else _complex(volume, volume.maps, info.slice_index),
            boxes=tuple(box for box in volume.boxes if box.slice_index == info.slice_index),
            doubts=(*volume.doubts, *doubts_of((info.path, info.slice_index), kspace, volume.mask, volume.padding)),
        )
    except InputError as error:
        return error


def volumes(path: Path) -> Iterator[Volume]:
    """Read the checked volumes of a file or folder one at a time, including volumes without ground truth.

    The targets are the file's own if it has them.  A single coil becomes a coil array of one coil.

    Args:
        path: a file, or a folder of files.

    Yields:
        A volume for each file.

    Raises:
        InputError: If a file or one of its slices cannot be used.
    """
    for file_path in volume_files(path):
        with open_file(file_path) as file:
            volume = open_volume(file_path, file)
            slices = range(volume.kspace.shape[0])
            yield Volume(
                name=file_path.stem,
                kspace=np.stack([_plausible(volume, index) for index in slices]),
                crop=volume.crop,
                targets=None if volume.target is None else np.stack([_target(volume, index) for index in slices]),
                mask=volume.mask,
                padding=volume.padding,
                maps=None
                if volume.maps is None
                else np.stack([_complex(volume, volume.maps, index) for index in slices]),
                boxes=tuple(volume.boxes),
                acquisition=acquisition_of(file_path),
                geometry=geometry_of(file_path, volume.shape[1:], volume.shape[1:]),
            )


def image_shapes(path: Path) -> dict[str, tuple[int, int]]:
    """Read the size of the targets of each volume.

    Args:
        path: a file, or a folder of files.

    Returns:
        Maps a volume's name without ending to (rows, columns) of its targets [pixels].

    Raises:
        InputError: If a file is missing, damaged or not of fastMRI's layout.
    """
    found = {}
    for file_path in volume_files(path):
        with open_file(file_path) as file:
            found[file_path.stem] = open_volume(file_path, file).crop
    return found


def _largest(volume: OpenVolume) -> float:
    """The maximum of the targets of a volume."""
    return volume.maximum or _largest_target(volume.path, volume.path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _largest_target(path: Path, modified: int) -> float:
    """The maximum of the usable targets of a volume, cached while its slices are read one by one."""
    del modified  # part of the cache key only: a modified file is read again
    largest = 0.0
    with open_file(path) as file:
        volume = open_volume(path, file)
        for index in range(volume.kspace.shape[0]):
            with suppress(InputError):
                largest = max(largest, float(_target(volume, index).max()))
    return largest


def _complex(volume: OpenVolume, dataset: h5py.Dataset, index: int) -> np.ndarray:
    """One slice of `kspace` or `maps`, (coil, ny, nx) complex64, checked to be finite."""
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large for complex64 become infinite, found below
        values = np.ascontiguousarray(read(dataset, index), np.complex64)
        numbers = values.view(np.float32).reshape(-1)
        # The sum of squares takes half as long as a check of each number.  It is infinite for very large numbers, too.
        finite = np.isfinite(np.dot(numbers, numbers)) or np.isfinite(numbers).all()
    if not finite:
        problem = f"'{dataset.name[1:]}' of slice {index} holds NaN, infinity or numbers too large for complex64"
        raise refusal(volume.path, problem, "repair the file or leave it out")
    return values.reshape((-1, *values.shape[-2:]))


def _kspace(volume: OpenVolume, index: int) -> np.ndarray:
    """The k-space of one slice, (coil, ny, nx) complex64, zero outside the file's mask."""
    kspace = _complex(volume, volume.kspace, index)
    if volume.mask is not None:
        kspace = np.where(volume.mask, kspace, np.complex64(0))
    if not any(coil.any() for coil in kspace):  # stops at the first coil that is not zero
        raise refusal(volume.path, f"'kspace' of slice {index} is all zero", "repair the file or leave it out")
    return kspace


def _plausible(volume: OpenVolume, index: int) -> np.ndarray:
    """The k-space of one slice, refused if it holds images.  All other doubts are left to `data_prep.check`."""
    kspace = _kspace(volume, index)
    doubts_of((volume.path, index), kspace, volume.mask, volume.padding)
    return kspace


def _target(volume: OpenVolume, index: int, kspace: np.ndarray | None = None) -> np.ndarray:
    """The target of one slice, cropped, (ty, tx) float32, checked to be a magnitude; `kspace` is read if not given."""
    with np.errstate(over="ignore"):
        if volume.target is not None:
            target = read(volume.target, index).astype(np.float32)
        else:
            target = root_sum_of_squares(_kspace(volume, index) if kspace is None else kspace).astype(np.float32)
    # fastMRI crops in the image, never in k-space.
    rows, columns = (image_slice(size, width) for size, width in zip(target.shape, volume.crop, strict=True))
    target = target[rows, columns]
    if not (target.min() >= 0 and 0 < target.max() < np.inf):  # NaN compares false
        problem = f"the target of slice {index} is all zero, or has NaN, infinite or negative values"
        raise refusal(volume.path, problem, "repair the file or leave it out")
    return target
