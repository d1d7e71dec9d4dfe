"""What every source is written as: fastMRI's HDF5 layout, one volume a file, with optional `maps` and `boxes`.

`kspace` (slice, coil, ny, nx) complex64, centred and orthonormal; `reconstruction_rss` (slice, ty, tx) float32;
optionally `mask` (nx,), `maps` with the shape of `kspace` and `boxes` (box, 5): slice, first row, first column, rows,
columns.  Attributes: `max` and `norm` of the target, `acquisition`, `patient_id`, `padding_left`, `padding_right`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data_prep.cases import InputError
from data_prep.coil_array import root_sum_of_squares
from jaxcs.fourier import centre_slice


class Volume(NamedTuple):
    """A volume in raw units, as host arrays.

    name: of its file, without ending.
    kspace: (slice, coil, ny, nx) complex64, centred orthonormal.
    crop: (ty, tx), the target's size.
    mask: (nx,) bool of a volume that is already under-sampled, else None.
    padding: columns [left, right) were measured, all of them for None.
    maps: like kspace, or None.  boxes: (box, 5) int, see above.
    acquisition: contrast, as fastMRI names it or in the source's words.  patient: what the scanner calls the subject.
    notes: what was done to the raw data, a sentence each.
    """

    name: str
    kspace: np.ndarray
    crop: tuple[int, int]
    mask: np.ndarray | None = None
    padding: tuple[int, int] | None = None
    maps: np.ndarray | None = None
    boxes: np.ndarray | None = None
    acquisition: str = "unknown"
    patient: str = "unknown"
    notes: tuple[str, ...] = ()


def write_volume(folder: Path, volume: Volume) -> Path:
    """Write `folder`/name.h5, whole or not at all; an older file of the name is replaced.

    Raises InputError where the volume cannot be used, and OSError where the folder cannot be written to.
    """
    if not np.isfinite(volume.kspace).all():
        raise InputError(f"{volume.name}: k-space holds NaN or infinity; repair the file or leave it out")
    if not volume.kspace.any():
        raise InputError(f"{volume.name}: k-space is all zero; leave it out")
    folder.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".", suffix=".partial")
    os.close(handle)
    try:
        with h5py.File(temporary, "w") as file:
            _fill(file, volume)
        path = folder / f"{volume.name}.h5"
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _fill(file: h5py.File, volume: Volume) -> None:
    """Slice by slice, so that no second copy of the volume is made."""
    kspace = file.create_dataset("kspace", volume.kspace.shape, np.complex64, chunks=(1, *volume.kspace.shape[1:]))
    attributes = file.attrs
    attributes["acquisition"], attributes["patient_id"] = volume.acquisition, volume.patient
    attributes["notes"] = "\n".join(volume.notes)
    for index, coils in enumerate(volume.kspace):
        kspace[index] = coils
    # An under-sampled volume has no truth to compare with.
    if volume.mask is None:
        images = np.stack([_target(coils, volume.crop) for coils in volume.kspace])
        file["reconstruction_rss"] = images
        attributes["max"], attributes["norm"] = float(images.max()), float(np.linalg.norm(images.astype(np.float64)))
    else:
        file["mask"] = volume.mask.astype(np.uint8)
    if volume.maps is not None:
        file.create_dataset("maps", data=volume.maps.astype(np.complex64), chunks=(1, *volume.maps.shape[1:]))
    if volume.boxes is not None:
        file["boxes"] = volume.boxes.astype(np.int64)
    if volume.padding is not None:
        attributes["padding_left"], attributes["padding_right"] = volume.padding


def _target(kspace: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """(coil, ny, nx) -> (ty, tx) float32, fastMRI's: cut in the image, never in k-space, and to no more than it has."""
    image = root_sum_of_squares(kspace)
    rows, columns = (centre_slice(size, min(size, width)) for size, width in zip(image.shape, crop, strict=True))
    return image[rows, columns].astype(np.float32)
