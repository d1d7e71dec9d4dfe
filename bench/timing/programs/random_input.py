"""The random data on which networks are timed, the same for both sides."""

from __future__ import annotations

import numpy as np


def draw(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Draw the input of a network and a mask.

    Returns:
        (*shape, 2) float32 real and imaginary parts, and an (nx,) mask of every fourth column and a centre of 8 %.
    """
    x = np.random.default_rng(0).normal(size=(*shape, 2)).astype(np.float32)
    columns = np.arange(shape[-1])
    return x, (columns % 4 == 0) | (np.abs(columns - shape[-1] // 2) < 0.04 * shape[-1])
