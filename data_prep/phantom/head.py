"""The brain of `brain`, softer, textured and shaded: nearer to scans of heads in its spectrum.

The drawn anatomy has sharper and more regular folds than a head, and too little of large scale: its spectrum falls too
slowly.  Here the point spread of a scanner softens it, the signal of tissue varies at all scales, and the coils' own
bias brightens a side.  `python -m data_prep statistics` says how far it still is from given images.
"""

from __future__ import annotations

import numpy as np

from data_prep.phantom import brain
from data_prep.phantom.pieces import Drawing, Grid, smooth_noise

FIELD_OF_VIEW = brain.FIELD_OF_VIEW
# Standard deviation of the point spread [mm].
_POINT_SPREAD = 1.0
# Width of the details [mm] and relative standard deviation of the signal.
_TEXTURES = ((2.0, 0.05), (4.0, 0.07), (8.0, 0.09), (16.0, 0.11), (32.0, 0.15))
_SHADING = (70.0, 0.3)
_LEAST = 0.1


def draw(rng: np.random.RandomState, grid: Grid) -> Drawing:
    """Draw one random head.

    Args:
        rng: random numbers.
        grid: the pixels.

    Returns:
        The signal and its findings, which are those of the brain.
    """
    from scipy import ndimage  # takes 0.1 s, and other phantoms do without it

    drawing = brain.draw(rng, grid)
    signal = ndimage.gaussian_filter(drawing.signal, _POINT_SPREAD / grid.step)
    texture = 1 + np.asarray(sum(size * smooth_noise(rng, grid, width) for width, size in _TEXTURES))
    width, size = _SHADING
    shaded = signal * np.maximum(texture, _LEAST) * np.exp(size * smooth_noise(rng, grid, width))
    return drawing._replace(signal=shaded)
