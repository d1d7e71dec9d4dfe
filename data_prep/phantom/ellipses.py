"""Random ellipses with exactly known sinograms, the training data of the network Ell50.

A sinogram is computed from the ellipses themselves, without pixels, so that no reconstruction on pixels can represent
the object exactly (no inverse crime).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from data_prep.phantom.pieces import Array
from jaxcs.operators import Radon

_FEWEST, _MOST = 5, 15
# All ellipses lie in the disc of this radius, in units of half the image's side.
_REACH = 0.92
_FINER = 4  # sub-pixels along each side of a pixel of `draw`


class Ellipse(NamedTuple):
    """An ellipse.  Lengths are in units of half the image's side.

    value: added inside it.  y, x: its centre from the image's centre, rows downwards.  radii: half its axes.
    angle: from the columns' direction to the first axis, counter-clockwise as seen [radian].
    """

    value: float
    y: float
    x: float
    radii: tuple[float, float]
    angle: float


def random_ellipses(rng: np.random.RandomState) -> list[Ellipse]:
    """5 to 15 ellipses of random value, size, place and angle; they may overlap, and then their values add up."""
    return [_random_ellipse(rng) for _ in range(rng.randint(_FEWEST, _MOST + 1))]


def _random_ellipse(rng: np.random.RandomState) -> Ellipse:
    value = rng.uniform(0.1, 1.0)
    radii = (rng.uniform(0.04, 0.4), rng.uniform(0.04, 0.4))
    # Uniform over the disc of centres from which nothing reaches out.
    distance, direction = (_REACH - max(radii)) * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
    angle = rng.uniform(0, np.pi)
    return Ellipse(value, distance * np.sin(direction), distance * np.cos(direction), radii, angle)


def sinogram(ellipses: list[Ellipse], radon: Radon) -> Float[np.ndarray, "view detector"]:
    """Integrals along the rays of `radon`, in units of the value times pixels, float64."""
    half = radon.size / 2
    theta = np.deg2rad(np.asarray(radon.angles))[:, None]
    t = (np.arange(radon.detectors) - radon.detectors // 2)[None, :]
    total = np.zeros((len(radon.angles), radon.detectors))
    for value, y, x, radii, angle in ellipses:
        a, b = (half * radius for radius in radii)
        # Half the width of the ellipse's shadow, and its centre's ray.
        width = np.sqrt((a * np.cos(theta - angle)) ** 2 + (b * np.sin(theta - angle)) ** 2)
        offset = t - half * (x * np.cos(theta) - y * np.sin(theta))
        total += 2 * value * a * b * np.sqrt(np.maximum(width**2 - offset**2, 0)) / width**2
    return total


def draw(ellipses: list[Ellipse], size: int) -> Array:
    """The image (size, size), each pixel the mean over its sub-pixels."""
    place = (np.arange(size * _FINER) - size // 2 * _FINER - (_FINER - 1) / 2) / (size / 2 * _FINER)
    fine = np.zeros((size * _FINER, size * _FINER))
    for value, y, x, radii, angle in ellipses:
        right, up = place[None, :] - x, y - place[:, None]
        along = (right * np.cos(angle) + up * np.sin(angle)) / radii[0]
        across = (up * np.cos(angle) - right * np.sin(angle)) / radii[1]
        fine += value * (along**2 + across**2 < 1)
    return fine.reshape(size, _FINER, size, _FINER).mean((1, 3))
