"""Write images as compressed NIfTI, with the size of their voxels and their place in the patient as far as known."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np

from data_prep.image_formats import ImageVolume
from data_prep.whole import whole_file

_LONGEST = 79  # bytes of the description
_SCANNER = 1  # code of an affine that leads to the scanner's coordinates


def write(folder: Path, volume: ImageVolume) -> None:
    """Write `folder`/name.nii.gz with the axes (column, row, slice), float32.

    If the place in the patient is not known, the codes of both transforms are 0, which means unknown.  If the size of a
    voxel is not known either, its edges are 1 and have no unit.

    Args:
        folder: folder to write to.
        volume: the volume.

    Raises:
        OSError: If the system refuses.
    """
    geometry = volume.geometry
    image = nibabel.Nifti1Image(np.ascontiguousarray(volume.images.transpose(2, 1, 0)), None)
    header = image.header
    header["descrip"] = f"not for diagnosis: {volume.words}".encode(errors="replace")[:_LONGEST]
    if geometry is not None:
        row, column, thickness = geometry.voxel
        header.set_zooms((column, row, thickness))
        header.set_xyzt_units("mm")
        if geometry.affine is not None:
            affine = geometry.moved(0, 0, volume.first).affine
            image.set_sform(affine, _SCANNER)
            image.set_qform(affine, _SCANNER)
    with whole_file(folder / f"{volume.name}.nii.gz") as part:
        part.write_bytes(gzip.compress(image.to_bytes(), mtime=0))
