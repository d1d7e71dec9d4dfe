"""The smooth pieces that anatomies are drawn with: edges, superellipses, bands, noise.  Lengths in mm."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "ny nx"]

# Half the extent [mm] of the lattices that noise is drawn on.  Fixed, so that an anatomy is the same on every grid.
_REACH = (116.0, 94.0)


class Grid(NamedTuple):
    """Pixel positions.

    y: (ny, 1), rows downwards [mm].  x: (1, nx), columns to the right [mm].  step: distance of two pixels [mm].
    """

    y: np.ndarray
    x: np.ndarray
    step: float


def make_grid(shape: tuple[int, int], step: float) -> Grid:
    """Square pixels about the centre, which is pixel n // 2 as in `jaxcs.fourier`."""
    y, x = ((np.arange(n) - n // 2) * step for n in shape)
    return Grid(y[:, None], x[None, :], step)


def inside(distance: Array, softness: float) -> Array:
    """Share of a pixel covered by a shape: 1 well inside (distance < 0), 0 outside, smooth across `softness` mm."""
    t = np.clip(0.5 - distance / softness, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def ellipse(
    grid: Grid, centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0, power: float = 2.0
) -> Array:
    """Distance from a superellipse, negative inside; first order near the edge.

    centre, radii: (y, x) [mm].  angle: rotation [radian].  power: 2 for an ellipse, more for a squarer shape.
    """
    dy, dx = grid.y - centre[0], grid.x - centre[1]
    u = (np.cos(angle) * dy - np.sin(angle) * dx) / radii[0]
    v = (np.sin(angle) * dy + np.cos(angle) * dx) / radii[1]
    if power == 2.0:
        rho = np.sqrt(u * u + v * v)
    else:
        rho = (np.abs(u) ** power + np.abs(v) ** power) ** (1 / power)
    return (rho - 1) * min(radii)


def smooth_noise(rng: np.random.RandomState, grid: Grid, scale: float | tuple[float, float]) -> Array:
    """Noise of about unit variance whose details are about `scale` mm, (along y, along x): a cubic B-spline of normals."""
    scales = scale if isinstance(scale, tuple) else (scale, scale)
    counts = [int(np.ceil(2 * reach / s)) + 4 for reach, s in zip(_REACH, scales, strict=True)]
    lattice = rng.normal(size=counts)
    rows, columns = (
        _spline_matrix(axis.ravel(), s, reach, count)
        for axis, s, reach, count in zip((grid.y, grid.x), scales, _REACH, counts, strict=True)
    )
    return rows @ lattice @ columns.T


def _spline_matrix(position: np.ndarray, scale: float, reach: float, count: int) -> Float[np.ndarray, "n count"]:
    """Values of cubic B-splines on a lattice, scaled to turn white noise into noise of unit variance."""
    t = (position + reach) / scale + 1
    cell = np.floor(t).astype(int)
    f = t - cell
    weights = ((1 - f) ** 3, 4 - 6 * f**2 + 3 * f**3, 1 + 3 * f + 3 * f**2 - 3 * f**3, f**3)
    norm = np.sqrt(sum(w**2 for w in weights))
    matrix = np.zeros((len(t), count + 2))
    for offset, weight in enumerate(weights):
        column = cell - 1 + offset
        valid = (column >= 0) & (column < count)
        matrix[np.flatnonzero(valid), column[valid]] = (weight / norm)[valid]
    return matrix[:, :count]
