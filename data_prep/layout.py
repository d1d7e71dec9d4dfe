"""The layout of all converted data: fastMRI's HDF5 layout, one volume a file, with optional `maps` and `boxes`.

* `kspace` (slice, coil, ny, nx) complex64, centred and orthonormal.
* `reconstruction_rss` (slice, ty, tx) float32.
* `ismrmrd_header` with the matrix, the image size, the measured columns, and the field of view if it is known, at the
  places that fastMRI's reader uses.
* Optional: `affine` (4, 4) of `data_prep.geometry`, for the whole image of `kspace`.
* Optional: `mask` (nx,), `maps` with the shape of `kspace`, and `boxes` (box, 5) with slice, first row, first column,
  rows and columns.  `box_labels` has a line for each box.
* Attributes: `max` and `norm` of the target, `acquisition`, `patient_id`, `padding_left`, `padding_right`, and `notes`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data_prep.cases import Box, InputError
from data_prep.fourier import root_sum_of_squares
from data_prep.geometry import VoxelGeometry
from data_prep.hdf5_writing import new_file
from data_prep.whole import remove_left, whole_file
from jaxcs.fourier import image_slice


class Volume(NamedTuple):
    """A volume in raw units, as host arrays.

    Attributes:
        name: name of its file, without ending.
        kspace: (slice, coil, ny, nx) complex64, centred orthonormal.
        crop: (ty, tx), the size of the targets.
        targets: (slice, ty, tx) float32 magnitudes if the source has targets, else None.
        mask: (nx,) bool if the volume is already under-sampled, else None.
        padding: (left, right).  Columns [left, right) were measured; None means all columns.
        maps: coil sensitivity maps with the shape of `kspace`, or None.
        boxes: boxes around pathology.
        acquisition: contrast, as fastMRI names it or in the source's words.
        patient: the scanner's name for the subject.
        notes: processing steps applied to the raw data, a sentence each.
        geometry: of the whole images of `kspace`, or None if it is not known.
    """

    name: str
    kspace: np.ndarray
    crop: tuple[int, int]
    targets: np.ndarray | None = None
    mask: np.ndarray | None = None
    padding: tuple[int, int] | None = None
    maps: np.ndarray | None = None
    boxes: tuple[Box, ...] = ()
    acquisition: str = "unknown"
    patient: str = "unknown"
    notes: tuple[str, ...] = ()
    geometry: VoxelGeometry | None = None


def write_volume(folder: Path, volume: Volume) -> Path:
    """Write `folder`/name.h5, whole or not at all, and replace an older file of this name.

    Unfinished files that killed processes have left in the folder are removed.

    Args:
        folder: folder to write to.
        volume: the volume.

    Returns:
        The path of the file.

    Raises:
        InputError: If the volume cannot be used.
        OSError: If the folder cannot be written to.
    """
    if not np.isfinite(volume.kspace).all():
        raise InputError(f"{volume.name}: k-space holds NaN or infinity; repair the file or leave it out")
    if not volume.kspace.any():
        raise InputError(f"{volume.name}: k-space is all zero; leave it out")
    path = folder / f"{volume.name}.h5"
    remove_left(folder)
    with whole_file(path) as part, new_file(part) as file:
        _fill(file, volume)
    return path


def size_in_words(slices: int, coils: int, ny: int, nx: int) -> str:
    """Return the size of a volume's k-space as a line for the user has it."""
    return f"{slices} slice{'s' * (slices != 1)} of {coils} coil{'s' * (coils != 1)}, {ny} x {nx}"


def targets_of(volume: Volume) -> np.ndarray | None:
    """Give the volume's own targets, or compute them.

    Args:
        volume: the volume.

    Returns:
        (slice, ty, tx) float32, or None if the volume is under-sampled and its source has no targets.
    """
    if volume.targets is not None or volume.mask is not None:
        return volume.targets
    return np.stack([_target(coils, volume.crop) for coils in volume.kspace])


def _fill(file: h5py.File, volume: Volume) -> None:
    """Write slice by slice, so that no second copy of the volume is made."""
    kspace = file.create_dataset("kspace", volume.kspace.shape, np.complex64, chunks=(1, *volume.kspace.shape[1:]))
    attributes = file.attrs
    attributes["acquisition"], attributes["patient_id"] = volume.acquisition, volume.patient
    attributes["notes"] = "\n".join(volume.notes)
    for index, coils in enumerate(volume.kspace):
        kspace[index] = coils
    targets = targets_of(volume)
    if targets is not None:
        file["reconstruction_rss"] = targets
        attributes["max"], attributes["norm"] = float(targets.max()), float(np.linalg.norm(targets.astype(np.float64)))
    if volume.mask is not None:
        file["mask"] = volume.mask.astype(np.uint8)
    if volume.maps is not None:
        file.create_dataset("maps", data=volume.maps.astype(np.complex64), chunks=(1, *volume.maps.shape[1:]))
    if volume.boxes:
        file["boxes"] = np.array([box[1:6] for box in volume.boxes], np.int64)
        file["box_labels"] = np.bytes_("\n".join(box.label for box in volume.boxes).encode())
    if volume.padding is not None:
        attributes["padding_left"], attributes["padding_right"] = volume.padding
    if volume.geometry is not None and volume.geometry.affine is not None:
        file["affine"] = volume.geometry.affine
    file["ismrmrd_header"] = np.bytes_(_header(volume).encode())


def _header(volume: Volume) -> str:
    """The parts of an ISMRMRD header that fastMRI's reader uses; the header calls rows x and columns y."""
    ny, nx = volume.kspace.shape[-2:]
    left, right = volume.padding or (0, nx)
    encoded, image = (
        f"<matrixSize><x>{rows}</x><y>{columns}</y><z>1</z></matrixSize>{_extent(volume.geometry, rows, columns)}"
        for rows, columns in ((ny, nx), (min(volume.crop[0], ny), min(volume.crop[1], nx)))
    )
    limits = f"<minimum>0</minimum><maximum>{right - left - 1}</maximum><center>{nx // 2 - left}</center>"
    return (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
        f"<encodedSpace>{encoded}</encodedSpace><reconSpace>{image}</reconSpace>"
        f"<encodingLimits><kspace_encoding_step_1>{limits}</kspace_encoding_step_1></encodingLimits>"
        "<trajectory>cartesian</trajectory></encoding></ismrmrdHeader>"
    )


def _extent(geometry: VoxelGeometry | None, rows: int, columns: int) -> str:
    if geometry is None:
        return ""
    x, y, z = (count * edge for count, edge in zip((rows, columns, 1), geometry.voxel, strict=True))
    return f"<fieldOfView_mm><x>{x:.9g}</x><y>{y:.9g}</y><z>{z:.9g}</z></fieldOfView_mm>"


def _target(kspace: np.ndarray, crop: tuple[int, int]) -> np.ndarray:
    """(coil, ny, nx) -> (ty, tx) float32: fastMRI's target, cropped in the image and not in k-space.

    The target is never larger than the image.
    """
    image = root_sum_of_squares(kspace)
    rows, columns = (image_slice(size, min(size, width)) for size, width in zip(image.shape, crop, strict=True))
    return image[rows, columns].astype(np.float32)
