"""Cases of a path, whichever kind of file it holds: fastMRI k-space, or images with simulated coils."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep import fastmri, fastmri_layout, images
from data_prep.cases import Case, InputError
from data_prep.fastmri import SliceInfo
from data_prep.safe_hdf5 import refusal

# Coil maps are estimated by way of a matrix of 36 rows and columns a coil: 0.7 GB for so many, of which five live.
_MOST_COILS = 256


class Found(NamedTuple):
    """Slices that have been found, but not read.

    slices: what is known of each.  simulated: whether coils are.
    read: one slice -> its case; raises InputError.  read_all: slices -> the case of each, or why it cannot be used.
    """

    slices: list[SliceInfo]
    read: Callable[[SliceInfo], Case]
    read_all: Callable[[Iterable[SliceInfo]], Iterator[Case | InputError]]
    simulated: bool


def list_cases(path: str | Path, validation: bool | None) -> Found:
    """The slices of a file or folder; of images those for validation, those for training, or for None all.

    Raises InputError where there is none to be read, k-space and images lie together, or there are too many coils.
    """
    files = fastmri_layout.volume_files(Path(path))
    kinds = {images.is_image_file(file) for file in files}
    if kinds == {True}:
        slices = [info for file in files for info in images.list_images(file, validation)]
        return Found(slices, images.read_image, images.read_images, simulated=True)
    if True in kinds:
        raise refusal(path, "holds files of k-space and of images", "give a folder of either")
    slices = fastmri.list_slices(path)
    for info in slices:
        if info.shape[0] > _MOST_COILS:
            remedy = f"compress them to fewer, at most {_MOST_COILS}: python -m data_prep fastmri RAW OUT --coils 16"
            raise refusal(info.path, f"{info.shape[0]} coils, whose maps would not fit into memory", remedy)
    return Found(slices, fastmri.read_slice, fastmri.read_slices, simulated=False)
