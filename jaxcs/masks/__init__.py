"""Sampling masks, drawn on the host with NumPy's legacy `RandomState`, which is the same on all machines.

Column masks are (nx,) and two-dimensional masks (ny, nx).  All masks are bool, True where measured, with the zero
frequency at n // 2.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool

from jaxcs.masks.fastmri import equispaced, equispaced_fraction, magic, magic_fraction, random
from jaxcs.masks.report import Sampling, acs_width, describe
from jaxcs.masks.request import Seed, seed_from_name
from jaxcs.masks.variable_density import gaussian, poisson

__all__ = [
    "MASKS",
    "Sampling",
    "acs_width",
    "describe",
    "equispaced",
    "equispaced_fraction",
    "gaussian",
    "magic",
    "magic_fraction",
    "make",
    "poisson",
    "random",
    "seed_from_name",
]

# All masks are called with (nx, acceleration, center_fraction, seed); two-dimensional masks with (ny, nx) for nx.
MASKS: dict[str, Callable[..., np.ndarray]] = {
    "random": random,
    "equispaced": equispaced,
    "equispaced_fraction": equispaced_fraction,
    "magic": magic,
    "magic_fraction": magic_fraction,
    "gaussian": gaussian,
    "poisson": poisson,
}
_TWO_DIMENSIONAL = frozenset({"poisson"})


def make(
    name: str, shape: tuple[int, int], acceleration: float, center_fraction: float, seed: Seed
) -> Bool[np.ndarray, "nx"] | Bool[np.ndarray, "ny nx"]:
    """Draw the mask called `name`.

    Args:
        name: a name in `MASKS`.
        shape: (ny, nx) of the k-space.
        acceleration: wanted ratio of all to measured samples, >= 1 [-].
        center_fraction: fully sampled share of each under-sampled axis, about its centre, in (0, 1] [-].
        seed: an int or a tuple of ints, for instance `seed_from_name("file1000769.h5")`.

    Returns:
        (nx,) bool for column masks, (ny, nx) bool for "poisson"; True where measured.

    Raises:
        ValueError: If `name` is not in `MASKS`, or the mask cannot meet the request.
    """
    if name not in MASKS:
        raise ValueError(f"unknown mask {name!r}; known are {', '.join(sorted(MASKS))}")
    size = shape if name in _TWO_DIMENSIONAL else shape[1]
    return MASKS[name](size, acceleration, center_fraction, seed)
