"""Cases of a path, whichever kind of file it holds: fastMRI k-space, or images with simulated coils."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from data_prep import fastmri, images
from data_prep.cases import Case
from data_prep.fastmri import SliceInfo


class Found(NamedTuple):
    """Slices that have been found, but not read.

    slices: what is known of each.  read: one slice -> its case; raises InputError.  simulated: whether coils are.
    """

    slices: list[SliceInfo]
    read: Callable[[SliceInfo], Case]
    simulated: bool


def list_cases(path: str | Path, validation: bool) -> Found:
    """The slices of a file or folder; of images, those for validation or those for training.

    Raises InputError where there is none to be read.
    """
    if images.is_image_file(path):
        return Found(images.list_images(path, validation), images.read_image, simulated=True)
    return Found(fastmri.list_slices(path), fastmri.read_slice, simulated=False)
