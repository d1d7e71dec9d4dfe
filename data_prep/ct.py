"""Slices of CT as cases: drawn phantoms, or images of files that are projected."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from data_prep import fastmri_layout, images
from data_prep.cases import Case
from data_prep.fastmri import SliceInfo
from data_prep.phantom import sinograms
from data_prep.safe_hdf5 import refusal


class CtSlice(NamedTuple):
    """A slice that is listed, but not read.

    Attributes:
        name: "volume:slice".
        volume: name of its volume.
        shape: (1, detector, view) of its sinogram.
        path: its file, or None for a phantom.
        read: number of views, or None for the usual number -> the case; raises InputError.
    """

    name: str
    volume: str
    shape: tuple[int, int, int]
    path: Path | None
    read: Callable[[int | None], Case]


def phantoms(family: str, split: str, count: int, views: int | None) -> list[CtSlice]:
    """List the first phantoms of a split.

    Args:
        family: "ellipses" or "thorax".
        split: "train", "validation" or "test".
        count: number of phantoms.
        views: number of views, None for the usual number.
    """
    shape = sinograms.shape(sinograms.SIZE, views or sinograms.usual_views(sinograms.SIZE))
    names = [sinograms.case_name(family, split, index) for index in range(count)]
    read = partial(sinograms.case, family, split)
    return [
        CtSlice(name, name.removesuffix(":0"), shape, None, partial(read, index, sinograms.SIZE))
        for index, name in enumerate(names)
    ]


def list_images(path: str | Path, validation: bool | None, views: int | None) -> list[CtSlice]:
    """List the images of an HDF5 file of images, or of a folder of them.

    Args:
        path: the file or folder; `data_prep.images` has the layout.
        validation: True lists the validation images, False the training images, None all images.
        views: number of views, None for the usual number.

    Raises:
        InputError: a file is damaged, holds k-space, or holds an image that is not square.
    """
    found = []
    for file in fastmri_layout.volume_files(Path(path)):
        if not images.is_image_file(file):
            raise refusal(file, "holds k-space, and a method for CT reconstructs sinograms", "give images of CT")
        for info in images.list_images(file, validation):
            _, rows, columns = info.shape
            if rows != columns:
                raise refusal(file, f"holds images of {rows} x {columns} pixels", "crop or pad CT images to squares")
            shape = sinograms.shape(rows, views or sinograms.usual_views(rows))
            found.append(CtSlice(info.name, info.volume, shape, Path(info.path), partial(_read, info)))
    return found


def _read(info: SliceInfo, views: int | None) -> Case:
    image = images.read_pixels(info)
    return sinograms.of_image(info.name, info.volume, image, views or sinograms.usual_views(len(image)))
