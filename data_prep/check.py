"""Look over a folder of fastMRI's layout: what each volume is, and whatever would stop or spoil an experiment on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.acquisition import acquisition_of
from data_prep.cases import Case, InputError
from data_prep.fastmri import SliceInfo, list_slices, read_slice, volume_files
from data_prep.safe_hdf5 import damaged, find_dataset, number_attribute, open_file, printable, read
from jaxcs.coils.background import noise_covariance, thermal_level
from jaxcs.masks.report import describe
from jaxcs.types import Kspace

# A target may exceed the volume's maximum by what rounding to float32 loses, not by more.
_TOLERANCE = 1e-3


class Line(NamedTuple):
    """A line of the listing.  problem: whether it is one, else it says what a volume is."""

    text: str
    problem: bool


class _Seen(NamedTuple):
    """What the slices of a volume that could be read showed.

    sampling: of the mask, or "fully sampled", in words.  noise: its root mean square over k-space's.  silent: (coil,)
    whether each is zero.  largest: of a target; shape: of the last one.  data_range: the maximum that the file gives.
    """

    sampling: str
    noise: float | None
    silent: np.ndarray
    largest: float
    shape: tuple[int, int]
    data_range: float


def check(folder: str | Path) -> Iterator[Line]:
    """A line for each volume of a folder, or for one file, then a line for each of its problems.

    One slice is in memory at a time.  Raises InputError where the folder cannot be listed or holds no volume; a volume
    that cannot be used is a line.
    """
    for path in volume_files(Path(folder)):
        yield from _check_volume(path)


def _check_volume(path: Path) -> Iterator[Line]:
    try:
        digest = _digest(path)
    except InputError as error:
        yield Line(str(error), problem=True)
        return
    try:
        slices = list_slices(path)
    except InputError as error:
        outline = _outline(path)
        if outline is not None:
            yield _describe(path, [*outline, "noise unknown"], digest)
        yield Line(str(error), problem=True)
        return
    problems: list[str] = []
    seen = _look(slices, problems)
    words = [_shape(len(slices), slices[0].shape)]
    if seen is not None:
        words += [seen.sampling, "noise unknown" if seen.noise is None else f"noise {seen.noise:.2%} of k-space"]
        problems += [*_problems(path, seen), *_box_problems(path, len(slices), seen.shape)]
    yield _describe(path, words, digest)
    for problem in problems:
        yield Line(printable(problem), problem=True)


def _describe(path: Path, words: list[str], digest: str) -> Line:
    text = ", ".join([words[0], acquisition_of(path), *words[1:], f"sha256 {digest}"])
    return Line(printable(f"{path}: {text}"), problem=False)


def _shape(slices: int, shape: tuple[int, ...]) -> str:
    return f"{slices} slices of {shape[0]} coils, {shape[1]} x {shape[2]}"


def _outline(path: Path) -> list[str] | None:
    """Shape and sampling, in words, of a volume that the reader refuses, such as one without ground truth, or None."""
    try:
        with open_file(path) as file:
            kspace = find_dataset(file, "kspace", kinds="c", axes=(3, 4))
            mask = find_dataset(file, "mask", kinds="biuf", axes=(1,))
            if kspace is None:
                return None
            slices, *shape = kspace.shape
            left, right = number_attribute(file, "padding_left"), number_attribute(file, "padding_right")
            padding = int(left or 0), shape[-1] if right is None else int(right)
            words = [_shape(slices, (1, *shape)[-3:])]
            return words if mask is None else [*words, _sampling(read(mask) != 0, padding)]
    except (InputError, ValueError):  # ValueError: a mask that measures nothing, or padding that does not fit it
        return None


def _look(slices: list[SliceInfo], problems: list[str]) -> _Seen | None:
    """Read every slice, adding what refuses to be read to `problems`; None where none can be."""
    levels: list[float] = []
    silent, largest, last = np.ones(slices[0].shape[0], bool), 0.0, None
    for info in slices:
        try:
            last = read_slice(info)
        except InputError as error:
            # What is wrong with all slices alike, such as a missing maximum, is said once.
            if str(error) not in problems:
                problems.append(str(error))
            continue
        silent &= ~last.kspace.any(axis=(1, 2))
        largest = max(largest, float(last.target.max()))
        if last.mask is None:
            levels.append(_noise(last))
    if last is None:
        return None
    try:
        sampling = _sampling(last.mask, last.padding)
    except ValueError as error:
        sampling = "under-sampled"
        problems.append(f"{slices[0].path}: {error}: correct the file's mask or padding")
    return _Seen(
        sampling=sampling,
        noise=float(np.median(levels)) if levels else None,
        silent=silent,
        largest=largest,
        shape=(last.target.shape[0], last.target.shape[1]),
        data_range=last.data_range,
    )


def _sampling(mask: np.ndarray | None, padding: tuple[int, int]) -> str:
    """In words.  Raises ValueError as `describe` does."""
    if mask is None:
        return "fully sampled"
    return f"under-sampled {describe(mask, padding).acceleration:.2f}x"


def _noise(case: Case) -> float:
    """The share of thermal noise in the root mean square of the measured k-space."""
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    return float(_level(jnp.asarray(case.kspace / np.abs(case.kspace).max()), case.padding))


@partial(jax.jit, static_argnames="padding")
def _level(kspace: Kspace, padding: tuple[int, int]) -> jax.Array:
    columns = np.arange(kspace.shape[-1])
    measured = (columns >= padding[0]) & (columns < padding[1])
    return thermal_level(noise_covariance(kspace, padding), kspace, jnp.asarray(measured))


def _problems(path: Path, seen: _Seen) -> Iterator[str]:
    for coil in np.flatnonzero(seen.silent):
        yield f"{path}: coil {coil} is zero in all slices: leave it out"
    if seen.largest > seen.data_range * (1 + _TOLERANCE):
        yield (
            f"{path}: the target reaches {seen.largest:.4g}, over the attribute 'max' of {seen.data_range:.4g}: "
            "correct it, or delete it to have it computed"
        )


def _box_problems(path: Path, slices: int, shape: tuple[int, int]) -> Iterator[str]:
    """What is wrong with the file's `boxes`, if it has them; `shape` is the target's."""
    try:
        with open_file(path) as file:
            dataset = find_dataset(file, "boxes", kinds="iu", axes=(2,))
            if dataset is None:
                return
            if dataset.shape[1] != 5:
                yield f"{path}: 'boxes' has {dataset.shape[1]} columns: store slice, row, column, rows and columns"
                return
            boxes = read(dataset)
    except InputError as error:
        yield str(error)
        return
    for number, (index, row, column, rows, columns) in enumerate(boxes.tolist()):
        inside = 0 <= row < row + rows <= shape[0] and 0 <= column < column + columns <= shape[1]
        if not (inside and 0 <= index < slices):
            yield (
                f"{path}: box {number}, {rows} x {columns} pixels from ({row}, {column}) on in slice {index}, is not "
                f"within {slices} slices of {shape[0]} x {shape[1]}: correct it or leave it out"
            )


def _digest(path: Path) -> str:
    """The first 12 digits of the file's SHA-256.  Raises InputError where it is no readable HDF5 file."""
    # Opened as HDF5 first, which refuses pipes and devices: they would block or never end.
    with open_file(path), damaged(path, "the file"), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
