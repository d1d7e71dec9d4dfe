"""Read untrusted NIfTI images (.nii, .nii.gz); nibabel reads the header alone.

The header has a fixed length, and nibabel gets only these bytes.  Extensions declare their lengths in the file, and are
skipped.  https://nifti.nimh.nih.gov, Cox et al., 2004.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data_prep.file_kinds import kind_of
from data_prep.geometry import VoxelGeometry
from data_prep.safe_hdf5 import LARGEST_AXIS, LARGEST_DATASET, LARGEST_EXPANSION, check_regular, damaged, refusal

_LENGTHS = {348: b"n+1\0", 540: b"n+2\0"}  # bytes of a header of version 1 and 2, and the mark of a single file
_LARGEST_OFFSET = 2**24  # bytes before the voxels


class Nifti(NamedTuple):
    """The images of a NIfTI file.

    As in fastMRI's files, rows run from posterior to anterior and columns from the patient's right to the left.  The
    images are therefore upside down compared with a viewer.  Slices run upwards.

    Attributes:
        images: (volume, slice, ny, nx), axial.
        extent: (rows, columns) of the field of view [mm].
        geometry: of the images.
    """

    images: np.ndarray
    extent: tuple[float, float]
    geometry: VoxelGeometry


def read_nifti(path: Path) -> Nifti:
    """Read the images of a file, turned to the nearest axial orientation by its affine, without interpolation.

    Args:
        path: the file.

    Returns:
        The images and their field of view.

    Raises:
        InputError: If nibabel is not installed, or the file is damaged, too large, or does not hold numbers.
    """
    try:
        import nibabel
    except ImportError as error:
        raise refusal(path, "nibabel is not installed", "pip install 'jaxcs[nifti]'") from error
    held = check_regular(path).st_size
    with path.open("rb") as raw, damaged(path, "the NIfTI file"):
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        if packed:
            with gzip.open(raw) as stream:
                return _read(path, stream, held * LARGEST_EXPANSION, nibabel)
        return _read(path, raw, held, nibabel)


def _read(path: Path, stream: Any, most: int, nibabel: Any) -> Nifti:
    """Read the images; `most` is the largest number of bytes that the stream can hold."""
    header = _header(path, stream, nibabel)
    return _oriented(path, _voxels(path, stream, header, most), header, nibabel)


def _header(path: Path, stream: Any, nibabel: Any) -> Any:
    start = stream.read(540)
    length = next((n for n in _LENGTHS for order in "<>" if start[:4] == struct.pack(order + "i", n)), None)
    if length is None or len(start) < length:
        known = kind_of(path)
        if known is not None and "NIfTI" not in known.words:
            raise refusal(path, f"not a NIfTI file, but {known.words}", known.remedy)
        raise refusal(path, "not a NIfTI file", "give a .nii or .nii.gz file")
    if _LENGTHS[length] not in (start[344:348], start[4:8]):
        raise refusal(path, "a header without its images", "give a single .nii file, not a pair of .hdr and .img")
    kind = nibabel.Nifti1Header if length == 348 else nibabel.Nifti2Header
    return kind.from_fileobj(io.BytesIO(start[:length]), check=False)


def _voxels(path: Path, stream: Any, header: Any, most: int) -> np.ndarray:
    """(x, y, z, volume) scaled numbers."""
    shape, dtype, offset = header.get_data_shape(), header.get_data_dtype(), int(header.get_data_offset())
    if dtype.kind not in "iufc" or dtype.names is not None:
        raise refusal(path, f"its voxels are of type {dtype}", "store integer, real or complex numbers")
    if not 2 <= len(shape) <= 7 or any(size != 1 for size in shape[4:]):
        raise refusal(path, f"its shape is {shape}", "give images of two to four axes")
    shape = (*shape, 1, 1)[:4]
    if not all(1 <= size <= LARGEST_AXIS for size in shape):
        raise refusal(path, f"its shape is {shape}", f"keep every axis to at most {LARGEST_AXIS}")
    size = math.prod(shape) * dtype.itemsize
    if size > min(LARGEST_DATASET, most):
        raise refusal(path, f"it declares {size} bytes of voxels, which it cannot hold", "copy or download it again")
    if not 0 <= offset <= _LARGEST_OFFSET:
        raise refusal(path, f"its voxels begin at byte {offset}", "write it again")
    stream.seek(offset)
    content = stream.read(size)
    if len(content) < size:
        raise refusal(path, "it is cut short", "copy or download it again")
    slope, intercept = header.get_slope_inter()
    voxels = np.frombuffer(content, dtype).reshape(shape, order="F")
    if slope is None:
        return voxels
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise refusal(path, f"its values are scaled by {slope} and {intercept}", "write it again")
    with np.errstate(over="ignore", invalid="ignore"):  # the caller checks whether the used values are finite
        return voxels * slope + intercept


def _oriented(path: Path, voxels: np.ndarray, header: Any, nibabel: Any) -> Nifti:
    affine = header.get_best_affine()
    orientation = nibabel.io_orientation(affine) if np.isfinite(affine).all() else np.full((3, 2), np.nan)
    if np.isnan(orientation).any():
        raise refusal(path, "its affine does not say how the axes lie", "write it again")
    canonical = nibabel.orientations.apply_orientation(voxels, orientation)  # to right, anterior, superior
    lengths = np.empty(3)
    lengths[orientation[:, 0].astype(int)] = np.linalg.norm(affine[:3, :3], axis=0)
    across, along, upwards = (float(length) for length in lengths)
    nx, ny = canonical.shape[:2]
    flipped = np.diag([-1.0, 1, 1, 1])  # from columns, which run to the left
    flipped[0, 3] = nx - 1
    turned = affine @ nibabel.orientations.inv_ornt_aff(orientation, voxels.shape[:3]) @ flipped
    images = np.ascontiguousarray(canonical[::-1].transpose(3, 2, 1, 0))
    return Nifti(images, (along * ny, across * nx), VoxelGeometry((along, across, upwards), turned))
