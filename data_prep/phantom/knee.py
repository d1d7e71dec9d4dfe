"""A knee in a sagittal slice."""

from __future__ import annotations

import numpy as np

from data_prep.phantom.pieces import Array, Grid, ellipse, inside, smooth_noise

FIELD_OF_VIEW = (160.0, 128.0)


def draw(rng: np.random.RandomState, grid: Grid) -> Array:
    """Signal (ny, nx), about 1 in bright tissue."""
    image = np.zeros((grid.y.size, grid.x.size))
    shift = rng.uniform(-4, 4, 2)
    for centre, radii, value in (
        ((0, 0), (74, 52), 0.9), ((0, 2), (70, 44), 0.5), ((-40, 0), (45, 20), 0.8),
        ((-5, 2), (25, 30), 0.85), ((55, 3), (30, 24), 0.8), ((-20, -38), (18, 8), 0.8),
    ):
        distance = ellipse(grid, (centre[0] + shift[0], centre[1] + shift[1]), radii, power=2.5)
        image += inside(distance, 1.0) * (value - image)
    return image * (1 + 0.08 * smooth_noise(rng, grid, 1.0))
