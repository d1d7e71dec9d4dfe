"""Check a folder of fastMRI's layout: describe each volume, and report all that would stop or spoil an experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.acquisition import acquisition_of
from data_prep.cases import InputError
from data_prep.fastmri import list_slices
from data_prep.fastmri_layout import open_volume, volume_files
from data_prep.images import is_image_file, list_images, read_pixels
from data_prep.layout import size_in_words
from data_prep.look import Seen, look, sampling_in_words
from data_prep.safe_hdf5 import damaged, open_file
from jaxcs.names import printable

# A target may exceed the maximum of its volume by the rounding to float32, but not by more.
_TOLERANCE = 1e-3


class Line(NamedTuple):
    """A line of the listing.

    Attributes:
        text: the line.
        problem: True for a problem, False for the description of a volume.
    """

    text: str
    problem: bool


def check(folder: str | Path) -> Iterator[Line]:
    """Describe each volume of a folder and list its problems.

    One slice is in memory at a time.  A volume that cannot be used becomes a line.

    Args:
        folder: a folder of fastMRI's layout, or one file.

    Yields:
        A line for each volume, followed by a line for each of its problems.

    Raises:
        InputError: If the folder cannot be listed or holds no volume.
    """
    for path in volume_files(Path(folder)):
        yield from _check_volume(path)


def _check_volume(path: Path) -> Iterator[Line]:
    try:
        digest = _digest(path)
    except InputError as error:
        yield Line(str(error), problem=True)
        return
    if is_image_file(path):
        yield from _check_images(path, digest)
        return
    try:
        slices = list_slices(path)
    except InputError as error:
        outline = _outline(path)
        if outline:
            yield _describe(path, [*outline, "noise unknown"], digest)
        yield Line(str(error), problem=True)
        return
    problems: list[str] = []
    seen = look(slices, problems)
    words = [size_in_words(len(slices), *slices[0].shape)]
    if seen is not None:
        words += [seen.sampling, seen.noise]
        problems += [*_problems(path, seen), *_box_problems(path, len(slices), seen.shape)]
    yield _describe(path, words, digest)
    for problem in problems:
        yield Line(printable(problem), problem=True)


def _check_images(path: Path, digest: str) -> Iterator[Line]:
    """The lines of a file of images without k-space, for which an experiment simulates coils."""
    try:
        images = list_images(path, validation=None)
    except InputError as error:
        yield Line(str(error), problem=True)
        return
    ny, nx = images[0].shape[1:]
    yield _describe(
        path,
        [f"{len(images)} image{'s' * (len(images) != 1)} of {ny} x {nx}", "no k-space: coils will be simulated"],
        digest,
    )
    for info in images:
        try:
            read_pixels(info)
        except InputError as error:
            yield Line(str(error), problem=True)


def _describe(path: Path, words: list[str], digest: str) -> Line:
    text = ", ".join([words[0], acquisition_of(path), *words[1:], f"sha256 {digest}"])
    return Line(printable(f"{path}: {text}"), problem=False)


def _outline(path: Path) -> list[str]:
    """Shape and sampling, in words, of a volume without ground truth; empty if they cannot be determined."""
    with suppress(InputError, ValueError), open_file(path) as file:  # ValueError: the padding leaves no measured column
        volume = open_volume(path, file)
        return [size_in_words(volume.kspace.shape[0], *volume.shape), sampling_in_words(volume.mask, volume.padding)]
    return []


def _problems(path: Path, seen: Seen) -> Iterator[str]:
    for coil in np.flatnonzero(seen.silent):
        yield f"{path}: coil {coil} is zero in all slices: leave it out"
    if seen.largest > seen.data_range * (1 + _TOLERANCE):
        yield (
            f"{path}: the target reaches {seen.largest:.4g}, over the attribute 'max' of {seen.data_range:.4g}: "
            "correct it, or delete it to have it computed"
        )


def _box_problems(path: Path, slices: int, shape: tuple[int, int]) -> Iterator[str]:
    """The boxes that do not lie within the slices and their targets of `shape`."""
    with open_file(path) as file:
        boxes = open_volume(path, file).boxes
    rows, columns = shape
    for number, box in enumerate(boxes):
        inside = 0 <= box.row < box.row + box.rows <= rows and 0 <= box.column < box.column + box.columns <= columns
        if not (inside and 0 <= box.slice_index < slices):
            yield (
                f"{path}: box {number}, {box.rows} x {box.columns} pixels from ({box.row}, {box.column}) on in slice "
                f"{box.slice_index}, is not within {slices} slices of {rows} x {columns}: correct it or leave it out"
            )


def _digest(path: Path) -> str:
    """The first 12 digits of the file's SHA-256.  Raises InputError if it is not a readable HDF5 file."""
    # The file is opened as HDF5 first, which refuses pipes and devices: they would block or never end.
    with open_file(path), damaged(path, "the file"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
