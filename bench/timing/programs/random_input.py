"""The data that networks are timed on: random, the same for both sides."""

from __future__ import annotations

import numpy as np


def draw(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(*shape, 2) float32 real and imaginary parts; a mask (nx,) of every fourth column and a centre of 8 %."""
    x = np.random.default_rng(0).normal(size=(*shape, 2)).astype(np.float32)
    columns = np.arange(shape[-1])
    return x, (columns % 4 == 0) | (np.abs(columns - shape[-1] // 2) < 0.04 * shape[-1])
