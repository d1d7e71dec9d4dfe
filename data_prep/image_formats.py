"""The formats of reconstructed volumes, by their names; each writer is imported when it is used."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # not imported at run time: the command's help must not wait for NumPy
    from uuid import UUID

    import numpy as np

    from data_prep.geometry import VoxelGeometry


class ImageVolume(NamedTuple):
    """A reconstructed volume.

    Attributes:
        name: name of its files, without ending.
        images: (slice, ty, tx) float32 magnitudes; a slice that failed is NaN.
        first: index of the first of these slices in the volume of the data.
        geometry: of the images; None if it is not known.
        peak: largest value of the clean images of the volume.
        words: what the images are, such as "l1, clean".
        run: a number by which the versions of a volume that are made together know each other.
    """

    name: str
    images: np.ndarray
    first: int
    geometry: VoxelGeometry | None
    peak: float
    words: str
    run: UUID


class ImageFormat(NamedTuple):
    """A format.

    Attributes:
        words: the format in words.
        module: module whose `write(folder, volume)` writes a volume.
        package: package that the module needs besides the project's own, or "".
        extra: extra of this project that installs it.
    """

    words: str
    module: str
    package: str = ""
    extra: str = ""

    def missing(self) -> str | None:
        """Return what to install, in one line, or None if nothing is missing."""
        if not self.package or find_spec(self.package) is not None:
            return None
        return f"{self.package} is not installed; pip install 'jaxcs[{self.extra}]'"

    def write(self, folder: Path, volume: ImageVolume) -> None:
        """Write a volume into a folder.  Raises OSError if the system refuses."""
        import_module(self.module).write(folder, volume)


FORMATS: dict[str, ImageFormat] = {
    "h5": ImageFormat("HDF5 in the layout of fastMRI's submissions", "data_prep.submission"),
    "nifti": ImageFormat("NIfTI", "data_prep.nifti_writing", "nibabel", "nifti"),
    "cfl": ImageFormat("BART's pairs of .cfl and .hdr", "data_prep.bart_writing"),
    "dicom": ImageFormat("DICOM secondary capture", "data_prep.dicom", "pydicom", "dicom"),
}
