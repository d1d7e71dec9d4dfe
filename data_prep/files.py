"""Cases of a path for either kind of file: fastMRI k-space, or images with simulated coils."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep import fastmri, fastmri_layout, images
from data_prep.cases import Case, InputError
from data_prep.fastmri import SliceInfo
from data_prep.safe_hdf5 import refusal

# The estimation of coil maps uses a matrix with 36 rows and columns for each coil.  With 256 coils each such matrix
# takes 0.7 GB, and five are in memory at once.
_MOST_COILS = 256


class Found(NamedTuple):
    """Slices that are listed, but not read.

    Attributes:
        slices: the slices as they are known before reading.
        read: reads one slice; raises InputError.
        read_all: reads slices, and yields for each its case, or the error that says why it cannot be used.
        simulated: whether the coils are simulated.
    """

    slices: list[SliceInfo]
    read: Callable[[SliceInfo], Case]
    read_all: Callable[[Iterable[SliceInfo]], Iterator[Case | InputError]]
    simulated: bool


def list_cases(
    path: str | Path, validation: bool | None, truth: bool = True, acquisitions: Collection[str] = ()
) -> Found:
    """List the slices of a file or folder.

    Args:
        path: a file or a folder.
        validation: for files of images, True lists the validation images, False the training images, None all images.
        truth: whether every file must have a ground truth to compare with.
        acquisitions: only files of these acquisitions, see `data_prep.acquisition.is_of`; all if empty.

    Returns:
        The slices, and the functions that read them.

    Raises:
        InputError: If no slice can be read, if k-space and images lie together, if there are too many coils, or if no
            file is of these acquisitions.
    """
    files = fastmri_layout.volume_files(Path(path))
    kinds = {images.is_image_file(file) for file in files}
    if kinds == {True}:
        if acquisitions:
            raise refusal(path, "files of images name no acquisition", "leave --acquisition out")
        slices = [info for file in files for info in images.list_images(file, validation)]
        return Found(slices, images.read_image, images.read_images, simulated=True)
    if True in kinds:
        raise refusal(path, "holds files of k-space and of images", "give a folder of either")
    slices = fastmri.list_slices(path, truth, acquisitions)
    for info in slices:
        if info.shape[0] > _MOST_COILS:
            remedy = f"compress them to fewer, at most {_MOST_COILS}: python -m data_prep fastmri RAW OUT --coils 16"
            raise refusal(info.path, f"{info.shape[0]} coils, whose maps would not fit into memory", remedy)
    return Found(slices, fastmri.read_slice, fastmri.read_slices, simulated=False)
