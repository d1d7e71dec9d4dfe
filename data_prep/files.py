"""Cases of a path, whichever kind of file it holds: fastMRI k-space, or images with simulated coils."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep import fastmri, images
from data_prep.cases import Case, InputError
from data_prep.fastmri import SliceInfo


class Found(NamedTuple):
    """Slices that have been found, but not read.

    slices: what is known of each.  simulated: whether coils are.
    read: one slice -> its case; raises InputError.  read_all: slices -> the case of each, or why it cannot be used.
    """

    slices: list[SliceInfo]
    read: Callable[[SliceInfo], Case]
    read_all: Callable[[Iterable[SliceInfo]], Iterator[Case | InputError]]
    simulated: bool


def list_cases(path: str | Path, validation: bool) -> Found:
    """The slices of a file or folder; of images, those for validation or those for training.

    Raises InputError where there is none to be read.
    """
    if images.is_image_file(path):
        return Found(images.list_images(path, validation), images.read_image, images.read_images, simulated=True)
    return Found(fastmri.list_slices(path), fastmri.read_slice, fastmri.read_slices, simulated=False)
