"""Sinograms of drawn phantoms and of images, as a scanner of a parallel beam with noise measures them."""

from __future__ import annotations

from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from data_prep.cases import Case, InputError
from data_prep.names import checksum
from data_prep.phantom import ellipses, thorax
from data_prep.phantom.pieces import make_grid
from jaxcs.operators.radon import Radon, enough_detectors, even_angles

SIZE = 128
# Standard deviation of the noise, relative to the sinogram's maximum [-].
NOISE = 0.002
# Views of the target per measured view of `usual_views`: the published networks got 50 of 1000 views.
_WHOLE = 20
# The first number of a seed; those below are the families of `data_prep.phantom.scan`.
_FAMILIES = {"ellipses": 2, "thorax": 3}
_SPLITS = ("train", "validation", "test")


def usual_views(size: int) -> int:
    """Give the number of views of an image of this size [pixel], for 512 pixels the published 50."""
    return max(1, size * 50 // 512)


def acquisition(size: int, views: int) -> Radon:
    """Build the projection of an image: views spread evenly, and detectors that see its corners.

    Args:
        size: rows and columns of the image [pixel].
        views: number of views.

    Raises:
        InputError: there is no view.
    """
    if views < 1:
        raise InputError(f"views: {views} is too few; give at least one view")
    return Radon(even_angles(views), size, enough_detectors(size))


def shape(size: int, views: int) -> tuple[int, int, int]:
    """Give the shape (1, detector, view) of the sinogram of a case."""
    return 1, enough_detectors(size), views


def cases(family: str, split: str, n: int, size: int = SIZE, views: int | None = None) -> Iterator[Case]:
    """Make the first `n` cases of a split, each when it is asked for; see `case`."""
    if n < 0:
        raise InputError(f"phantom: the number of cases must not be negative, got {n}")
    _seed(family, split, 0)
    return (case(family, split, index, size, views) for index in range(n))


def case(family: str, split: str, index: int, size: int = SIZE, views: int | None = None) -> Case:
    """Measure one phantom, different for each index; it is a separate volume.

    Ellipses have exact sinograms.  A thorax is drawn on pixels and projected.

    Args:
        family: "ellipses" or "thorax".
        split: "train", "validation" or "test"; no two share a seed.
        index: 0, 1, ...
        size: rows and columns of the image [pixel].
        views: number of views; None for `usual_views`.

    Returns:
        The case, as `of_image` gives it.

    Raises:
        InputError: the family or the split does not exist, the index is negative, or there is no view.
    """
    rng = np.random.RandomState(_seed(family, split, index))
    views = usual_views(size) if views is None else views
    radon, whole = acquisition(size, views), _whole(size)
    name = case_name(family, split, index)
    if family == "thorax":
        grid = make_grid((size, size), thorax.FIELD_OF_VIEW[0] / size)
        return of_image(name, name.removesuffix(":0"), thorax.draw(rng, grid), views)
    drawn = ellipses.random_ellipses(rng)
    exact, few = ellipses.sinogram(drawn, whole), ellipses.sinogram(drawn, radon)
    return _case(name, name.removesuffix(":0"), few, exact, whole)


def case_name(family: str, split: str, index: int) -> str:
    """Give the name that `case` gives, without measuring."""
    return f"phantom-{family}-{split}-{index:04d}:0"


def of_image(name: str, volume: str, image: np.ndarray, views: int) -> Case:
    """Project an image.

    Args:
        name: name of the case.
        volume: its volume.
        image: (size, size) image, 0 outside the object.
        views: number of views.

    Returns:
        The case: a sinogram (1, detector, view) with noise as `kspace`, with its mask and its maps of ones.  The target
        is the filtered back-projection of many more views without noise, as for the published networks; it may be
        negative.

    Raises:
        InputError: the image is not square, not finite or empty, or there is no view.
    """
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise InputError(f"{name}: the image is {image.shape}; a sinogram needs a square one: crop or pad it")
    if not np.all(np.isfinite(image)) or not np.any(image):
        raise InputError(f"{name}: the image is zero or not finite; leave it out")
    if np.iscomplexobj(image):
        image = np.abs(image)
    radon, whole = acquisition(image.shape[0], views), _whole(image.shape[0])
    x = jnp.asarray(image, jnp.float32)
    return _case(name, volume, np.asarray(radon.forward(x)), np.asarray(whole.forward(x)), whole)


def _whole(size: int) -> Radon:
    return acquisition(size, _WHOLE * usual_views(size))


def _case(name: str, volume: str, sinogram: np.ndarray, exact: np.ndarray, whole: Radon) -> Case:
    """A case of a clean sinogram (view, detector), and that of the target."""
    noise = np.random.RandomState([checksum(name), len(sinogram)]).standard_normal(sinogram.shape)
    measured = (sinogram + NOISE * np.abs(sinogram).max() * noise).astype(np.float32)
    target = np.asarray(whole.fbp(jnp.asarray(exact, jnp.float32)))
    views, detectors = sinogram.shape
    return Case(
        name=name,
        volume=volume,
        kspace=np.ascontiguousarray(measured.T)[None],
        target=target,
        data_range=float(target.max()),
        padding=(0, views),
        mask=np.ones((detectors, views), bool),
        maps=np.ones((1, whole.size, whole.size), np.float32),
    )


def _seed(family: str, split: str, index: int) -> list[int]:
    if family not in _FAMILIES:
        raise InputError(f"phantom: unknown family {family!r}, choose from {', '.join(_FAMILIES)}")
    if split not in _SPLITS:
        raise InputError(f"phantom: unknown split {split!r}, choose from {', '.join(_SPLITS)}")
    if index < 0:
        raise InputError(f"phantom: the index must not be negative, got {index}")
    return [_FAMILIES[family], _SPLITS.index(split), index]
