"""Read all slices of a volume and report sampling, noise, silent coils, and properties that cannot be right."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from data_prep.cases import Case, InputError
from data_prep.fastmri import SliceInfo, read_slices
from jaxcs.coils.background import has_background, noise_covariance, thermal_level
from jaxcs.masks.report import describe
from jaxcs.types import Kspace


class Seen(NamedTuple):
    """Findings from the readable slices of a volume.

    Attributes:
        sampling: acceleration of the mask, or "fully sampled", in words.
        noise: root mean square of the noise, relative to k-space's, in words.
        silent: (coil,) bool, True if a coil is zero in all slices.
        largest: maximum of all targets.
        shape: (rows, columns) of the last target.
        data_range: the maximum that the file gives.
    """

    sampling: str
    noise: str
    silent: np.ndarray
    largest: float
    shape: tuple[int, int]
    data_range: float


def look(slices: list[SliceInfo], problems: list[str]) -> Seen | None:
    """Read every slice of a volume.

    Args:
        slices: all slices of the volume.
        problems: list to which the problems of the slices are added.

    Returns:
        The findings, or None if no slice can be read.
    """
    levels: list[float | None] = []
    doubts: dict[str, list[str]] = {}
    silent, largest, last = np.ones(slices[0].shape[0], bool), 0.0, None
    for case in read_slices(slices):
        if isinstance(case, InputError):
            # A problem that all slices share, such as a missing maximum, is reported once.
            if str(case) not in problems:
                problems.append(str(case))
            continue
        last = case
        silent &= ~last.kspace.any(axis=(1, 2))
        largest = max(largest, float(last.target.max()))
        for doubt in last.doubts:
            doubts.setdefault(doubt.kind, []).append(doubt.text)
        if last.mask is None:
            levels.append(_noise(last))
    path = slices[0].path
    problems += [f"{path}: {texts[0]}{_in_slices(len(texts), len(slices))}" for texts in doubts.values()]
    if last is None:
        return None
    try:
        sampling = sampling_in_words(last.mask, last.padding)
    except ValueError as error:
        sampling = "under-sampled"
        problems.append(f"{path}: {error}: correct the file's mask or padding")
    return Seen(
        sampling=sampling,
        noise=_noise_in_words(levels),
        silent=silent,
        largest=largest,
        shape=(last.target.shape[0], last.target.shape[1]),
        data_range=last.data_range,
    )


def sampling_in_words(mask: np.ndarray | None, padding: tuple[int, int]) -> str:
    """Describe the sampling of a volume in words.

    Args:
        mask: (nx,) bool, or None if the volume is fully sampled.
        padding: (left, right).  Columns [left, right) were measured.

    Raises:
        ValueError: If `jaxcs.masks.report.describe` cannot describe the mask.
    """
    if mask is None:
        return "fully sampled"
    return f"under-sampled {describe(mask, padding).acceleration:.2f}x"


def _in_slices(count: int, total: int) -> str:
    return f" (in {count} of {total} slices, these are the first one's numbers)" if total > 1 else ""


def _noise_in_words(levels: list[float | None]) -> str:
    if not levels:
        return "noise unknown"
    known = [level for level in levels if level is not None]
    # Slices without an object are all noise, and slices that fill the field of view hide it.  The median represents
    # most slices.
    if 2 * len(known) <= len(levels):
        return "noise unknown (no background to measure it in)"
    return f"noise {np.median(known):.2%} of k-space"


def _noise(case: Case) -> float | None:
    """The thermal noise relative to the root mean square of measured k-space [-]; None if no background is visible."""
    # Divided by the maximum, because the squares of raw values of 1e-25 would vanish in float32.
    level, seen = _level(jnp.asarray(case.kspace / np.abs(case.kspace).max()), case.padding)
    return float(level) if seen else None


@partial(jax.jit, static_argnames="padding")
def _level(kspace: Kspace, padding: tuple[int, int]) -> tuple[jax.Array, jax.Array]:
    columns = np.arange(kspace.shape[-1])
    measured = (columns >= padding[0]) & (columns < padding[1])
    covariance = noise_covariance(kspace, padding)
    level = thermal_level(covariance, kspace, jnp.asarray(measured))
    return level, has_background(covariance, kspace, padding)
