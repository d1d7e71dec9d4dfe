"""Slices of the Radon transform: drawn phantoms, images and sinograms, checked before they are used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from data_prep.cases import InputError
from data_prep.phantom import ellipses, thorax
from data_prep.phantom.pieces import make_grid
from jaxcs.operators import Radon

# The first number of a seed; those below are the families of `data_prep.phantom.scan`.
_FAMILIES = {"ellipses": 2, "thorax": 3}
_SPLITS = ("train", "validation", "test")


class RadonCase(NamedTuple):
    """A slice as host arrays, in the units of its image.

    name: unique within a run, "volume:slice".
    volume: intervals are clustered by it.
    sinogram: (view, detector) float32 with all views of an acquisition; a method gets every k-th.
    target: (size, size) float32, the filtered back-projection of all views, which may be negative.
    data_range: the target's maximum, the peak of PSNR.
    """

    name: str
    volume: str
    sinogram: np.ndarray
    target: np.ndarray
    data_range: float


def cases(family: str, split: str, n: int, radon: Radon) -> Iterator[RadonCase]:
    """The first `n` cases of a split, each made when it is asked for; see `case`."""
    if n < 0:
        raise InputError(f"phantom: the number of cases must not be negative, got {n}")
    _seed(family, split, 0)
    return (case(family, split, index, radon) for index in range(n))


def case(family: str, split: str, index: int, radon: Radon) -> RadonCase:
    """Make one phantom, different for each index; it is a separate volume.

    Ellipses have exact sinograms.  A thorax is drawn on the pixels of `radon` and projected by it.

    Args:
        family: "ellipses" or "thorax".
        split: "train", "validation" or "test"; no two share a seed.
        index: 0, 1, ...
        radon: the acquisition with all views.

    Raises:
        InputError: If the family or the split does not exist, or the index is negative.
    """
    rng = np.random.RandomState(_seed(family, split, index))
    volume = f"phantom-{family}-{split}-{index:04d}"
    if family == "ellipses":
        return of_sinogram(f"{volume}:0", volume, ellipses.sinogram(ellipses.random_ellipses(rng), radon), radon)
    grid = make_grid((radon.size, radon.size), thorax.FIELD_OF_VIEW[0] / radon.size)
    return of_image(f"{volume}:0", volume, thorax.draw(rng, grid), radon)


def of_image(name: str, volume: str, image: np.ndarray, radon: Radon) -> RadonCase:
    """Project an image (size, size).

    Raises:
        InputError: If the image has another shape or is not finite, or if the detectors cut the object: a pixel is not
            0 and some view misses it.  Also as for `of_sinogram`.
    """
    if image.shape != (radon.size, radon.size):
        raise InputError(f"{name}: the image is {image.shape}; the acquisition needs {(radon.size, radon.size)}")
    if not np.all(np.isfinite(image)):
        raise InputError(f"{name}: the image holds numbers that are not finite")
    every_ray = jnp.ones((len(radon.angles), radon.detectors), jnp.float32)
    missed = np.asarray(replace(radon, kind="pixel").adjoint(every_ray)) < len(radon.angles) - 0.5
    cut = int(np.count_nonzero(image[missed]))
    if cut:
        raise InputError(
            f"{name}: {radon.detectors} detectors cut the object: some views miss {cut} of its pixels; set them to 0, "
            "or use more detectors"
        )
    return of_sinogram(name, volume, np.asarray(radon.forward(jnp.asarray(image, jnp.float32))), radon)


def of_sinogram(name: str, volume: str, sinogram: np.ndarray, radon: Radon) -> RadonCase:
    """Take a sinogram (view, detector) with all views.

    Raises:
        InputError: If the sinogram has another shape, is not finite, or has views that hold only zeros.
    """
    shape = (len(radon.angles), radon.detectors)
    if sinogram.shape != shape:
        raise InputError(f"{name}: the sinogram is {sinogram.shape}; the acquisition has {shape} (views, detectors)")
    if not np.all(np.isfinite(sinogram)):
        raise InputError(f"{name}: the sinogram holds numbers that are not finite")
    empty = np.flatnonzero(~np.any(sinogram, axis=1))
    if empty.size:
        raise InputError(
            f"{name}: {empty.size} of {shape[0]} views hold only zeros, the first of them view {empty[0]}; leave such "
            "views out"
        )
    sinogram = sinogram.astype(np.float32)
    target = np.asarray(radon.fbp(jnp.asarray(sinogram)))
    return RadonCase(name, volume, sinogram, target, float(target.max()))


def _seed(family: str, split: str, index: int) -> list[int]:
    if family not in _FAMILIES:
        raise InputError(f"phantom: unknown family {family!r}, choose from {', '.join(_FAMILIES)}")
    if split not in _SPLITS:
        raise InputError(f"phantom: unknown split {split!r}, choose from {', '.join(_SPLITS)}")
    if index < 0:
        raise InputError(f"phantom: the index must not be negative, got {index}")
    return [_FAMILIES[family], _SPLITS.index(split), index]
