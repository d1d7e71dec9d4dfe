"""Digital test phantoms whose k-space is exact: disc, resolution and low-contrast phantom of the FDA's MRI-IQ-ETK.

The phantoms are those of Tan, Delfino and Zeng, Bioengineering 11:614, 2024 (RST26MD03.01, public domain).  The Fourier
transform of a disc of radius r is known, 2 pi r^2 J1(z) / z with z = 2 pi r |k|, so that no image is sampled.  The
functions run on the host.  Lengths are in mm, pairs are (rows, columns), and the zero frequency and the origin are at
n // 2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex
from scipy.special import j1

Pair = tuple[float, float]
# Discs along each side of a block of the resolution phantom.
ARRAY = 4
# Spokes, discs on each, and distance between discs of the low-contrast phantom [mm].
SPOKES, DISCS, SPACING = 10, 3, 20.0


class Grid(NamedTuple):
    """The sampling of a phantom.

    Attributes:
        shape: (ny, nx) samples.
        fov: (ny, nx) field of view [mm].
    """

    shape: tuple[int, int] = (128, 128)
    fov: Pair = (240.0, 240.0)

    @property
    def pixel(self) -> np.ndarray:
        """(2,) size of a pixel [mm]."""
        return np.asarray(self.fov) / self.shape


def disc(grid: Grid, radius: float, centre: Pair = (0.0, 0.0), intensity: float = 1.0) -> Complex[np.ndarray, "ny nx"]:
    """Compute the centred orthonormal k-space of a disc.

    Args:
        grid: sampling.
        radius: its radius [mm].
        centre: its centre, from that of the image [mm].
        intensity: its value in the image.

    Returns:
        (ny, nx) complex64.
    """
    axes = [(np.arange(n) - n // 2) / length for n, length in zip(grid.shape, grid.fov, strict=True)]
    rows, columns = np.meshgrid(*axes, indexing="ij")
    z = 2 * np.pi * radius * np.hypot(rows, columns)
    area = np.pi * radius**2 / np.prod(grid.pixel)
    transform = area * np.where(z > 0, 2 * j1(z) / np.where(z > 0, z, 1.0), 1.0)
    shift = np.exp(-2j * np.pi * (centre[0] * rows + centre[1] * columns))
    return (intensity * transform * shift / np.sqrt(z.size)).astype(np.complex64)


def resolution_phantom(grid: Grid, radius: float, intensity: float = 1.0) -> Complex[np.ndarray, "ny nx"]:
    """Compute the k-space of two blocks of 4 x 4 discs, each two diameters from the next.

    The rows of the lower block and the columns of the upper block are staggered by half a radius, so that some discs
    fall on pixels and some between them.

    Args:
        grid: sampling.
        radius: radius of a disc [mm].
        intensity: value of the discs.
    """
    kspace = np.zeros(grid.shape, np.complex64)
    for row in range(ARRAY):
        for column in range(ARRAY):
            upper = (-2 - 4 * row - column / 2, -2 - 4 * column)
            lower = (2 + 4 * row, 2 + 4 * column + row / 2)
            for y, x in (upper, lower):
                kspace += disc(grid, radius, (y * radius, x * radius), intensity)
    return kspace


def low_contrast_phantom(
    grid: Grid, radii: Pair = (0.75, 3.5), intensity: float = 1.0, contrast: float = 0.1
) -> Complex[np.ndarray, "ny nx"]:
    """Compute the k-space of a large disc with ten spokes of three small discs, smaller from spoke to spoke.

    Args:
        grid: sampling.
        radii: smallest and largest radius of the small discs [mm].
        intensity: value of the large disc.
        contrast: value that the small discs add, relative to it [-].
    """
    kspace = disc(grid, SPACING * (DISCS + 2), intensity=intensity)
    for spoke, radius in enumerate(spoke_radii(radii)):
        for place in spoke_places(spoke):
            kspace += disc(grid, radius, place, intensity * contrast)
    return kspace


def spoke_radii(radii: Pair) -> np.ndarray:
    """(10,) radius of the discs of each spoke, the largest first [mm]."""
    return np.linspace(radii[1], radii[0], SPOKES)


def spoke_places(spoke: int) -> list[Pair]:
    """Centres of the discs of a spoke [mm]."""
    angle = 2 * np.pi * spoke / SPOKES
    return [(np.sin(angle) * SPACING * (at + 2), np.cos(angle) * SPACING * (at + 2)) for at in range(DISCS)]
