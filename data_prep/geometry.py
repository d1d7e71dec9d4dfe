"""The geometry of a volume's images: the size of its voxels, and how they lie in the patient if the file knows it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.cases import InputError
from data_prep.header import Header, parse
from data_prep.safe_hdf5 import find_dataset, open_file, read, read_text
from jaxcs.fourier import image_slice

# Limits of the edges of a voxel [mm]; a header with other numbers does not know its geometry.
_SMALLEST, _LARGEST = 1e-3, 1e3


class VoxelGeometry(NamedTuple):
    """The geometry of a stack of images.

    Attributes:
        voxel: (row, column, slice) distance between the centres of neighbouring voxels [mm].
        affine: (4, 4) from (column, row, slice, 1), indices from 0, to the position (right, anterior, superior, 1) in
            the patient [mm], as NIfTI has it; None if that is not known.
    """

    voxel: tuple[float, float, float]
    affine: np.ndarray | None = None

    def moved(self, column: float, row: float, first: float) -> VoxelGeometry:
        """Return the geometry of a part of the stack that begins at this column, row and slice."""
        if self.affine is None:
            return self
        affine = self.affine.copy()
        affine[:, 3] = self.affine @ (column, row, first, 1)
        return self._replace(affine=affine)

    def turned(self) -> VoxelGeometry:
        """Return the geometry of images with rows and columns exchanged, whose place in the patient is not known."""
        row, column, thickness = self.voxel
        return VoxelGeometry((column, row, thickness))


def geometry_of(path: Path, matrix: tuple[int, int], image: tuple[int, int]) -> VoxelGeometry | None:
    """Read the geometry of the images of a file in fastMRI's layout.

    The header has the field of view of the k-space.  Its slices are taken to touch each other, because the header has
    no gaps.  This project's own files may also have `affine`, see `data_prep.layout`.

    Args:
        path: the file.
        matrix: (ny, nx) of the k-space that was reconstructed, which may have been cropped or padded.
        image: (ty, tx) of the images, which are the middle of the k-space's image.

    Returns:
        The geometry, or None if the file does not know it, or cannot be read.
    """
    try:
        with open_file(path) as file:
            text = read_text(file, "ismrmrd_header")
            place = find_dataset(file, "affine", kinds="f", axes=(2,))
            affine = None if place is None or place.shape != (4, 4) else read(place).astype(np.float64)
            kspace = find_dataset(file, "kspace", kinds="c", axes=(3, 4))
            encoding = None if text is None else parse(path, "ismrmrd_header", text).find("encoding")
            if encoding is None or kspace is None:
                return None
            voxel = voxel_of(encoding, (*matrix, encoding.number("encodedSpace/matrixSize/z") or 1))
    except InputError:
        return None
    if voxel is None:
        return None
    if affine is not None and (kspace.shape[-2:] != matrix or not _is_usable(affine, voxel)):
        affine = None
    top, left = (image_slice(size, width).start for size, width in zip(matrix, image, strict=True))
    return VoxelGeometry(voxel, affine).moved(left, top, 0)


def voxel_of(encoding: Header, matrix: tuple[int, int, int]) -> tuple[float, float, float] | None:
    """Read the edges of a voxel [mm].

    Args:
        encoding: an encoding of an ISMRMRD header.
        matrix: samples along (x, y, z) of the k-space that has the field of view of the header's encoded space.

    Returns:
        The edges along (x, y, z), or None if the header has no usable field of view.
    """
    extent = [_length(encoding.words(f"encodedSpace/fieldOfView_mm/{axis}")) for axis in "xyz"]
    x, y, z = (length / max(size, 1) for length, size in zip(extent, matrix, strict=True))
    return (x, y, z) if all(_SMALLEST <= edge <= _LARGEST for edge in (x, y, z)) else None


def _length(text: str | None) -> float:
    """A length [mm], NaN if it is not known."""
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _is_usable(affine: np.ndarray, voxel: tuple[float, float, float]) -> bool:
    """Tell whether an affine is finite, and has the edges of the voxel."""
    if not np.isfinite(affine).all() or np.any(affine[3] != (0, 0, 0, 1)):
        return False
    row, column, thickness = voxel
    with np.errstate(over="ignore", invalid="ignore"):  # numbers too large for a square are no edges of a voxel
        edges = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(np.allclose(edges, (column, row, thickness), rtol=1e-3) and abs(np.linalg.det(affine[:3, :3])) > 0)
