"""Families of masks with more and more samples of the same scan, for studies of the number of samples.

The masks of "random", "gaussian" and "poisson" are nested: each contains all masks of higher acceleration.  A column or
sample is then never exchanged for another when samples are added.  Equispaced masks cannot be nested in general; they
share their seed and their centre alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from jaxcs.fourier import centre_slice
from jaxcs.masks import MASKS, make
from jaxcs.masks.fastmri import random
from jaxcs.masks.request import Seed, centre_lines, no_room
from jaxcs.masks.variable_density import column_weights, poisson_darts

NESTED = frozenset({"random", "gaussian", "poisson"})
Masks = dict[float, Bool[np.ndarray, "nx"] | Bool[np.ndarray, "ny nx"]]


def family(
    name: str, shape: tuple[int, int], accelerations: Sequence[float], center_fraction: float, seed: Seed
) -> Masks:
    """Draw the masks called `name` for several accelerations.

    The mask of the highest acceleration is that of `make` with the same seed.  All masks have the same centre, so coil
    maps that come from it do not change.

    Args:
        name: a name in `MASKS`; those in `NESTED` give nested masks.
        shape: (ny, nx) of the k-space.
        accelerations: ratios of all to measured samples, each >= 1 [-].
        center_fraction: fully sampled share of each under-sampled axis, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        The mask of each acceleration, the highest acceleration first.

    Raises:
        ValueError: If `name` is not in `MASKS`, there is no acceleration, or a mask cannot meet the request.
    """
    if name not in MASKS:
        raise ValueError(f"unknown mask {name!r}; known are {', '.join(sorted(MASKS))}")
    if not accelerations:
        raise ValueError(f"{name}: a family of masks needs at least one acceleration")
    falling = sorted(set(accelerations), reverse=True)
    if name == "gaussian":
        return _gaussian(shape[1], falling, center_fraction, seed)
    if name == "poisson":
        return _poisson(shape, falling, center_fraction, seed)
    if name == "random":
        # A column is measured if its one random number is below a probability that rises with the samples.
        return {value: random(shape[1], value, center_fraction, seed) for value in falling}
    return {value: make(name, shape, value, center_fraction, seed) for value in falling}


def _gaussian(nx: int, accelerations: list[float], center_fraction: float, seed: Seed) -> Masks:
    """Draw the columns that are missing at each acceleration, with its weights, as Antun et al. (PNAS 2020) did."""
    stream = np.random.RandomState(seed)
    mask = np.zeros(nx, bool)
    found: Masks = {}
    for acceleration in accelerations:
        lines = centre_lines("gaussian", nx, acceleration, center_fraction)
        wanted = round(nx / acceleration)
        if lines >= wanted:
            raise no_room("gaussian", lines, wanted)
        mask[centre_slice(nx, lines)] = True
        weight = np.where(mask, 0.0, column_weights(nx, acceleration))
        mask[stream.choice(nx, wanted - mask.sum(), replace=False, p=weight / weight.sum())] = True
        found[acceleration] = mask.copy()
    return found


def _poisson(shape: tuple[int, int], accelerations: list[float], center_fraction: float, seed: Seed) -> Masks:
    """Throw the darts of the mask with fewer samples first.

    Its discs are larger, so its darts keep their places among smaller discs.
    """
    ny, nx = shape
    order = np.random.RandomState(seed).permutation(ny * nx)
    found: Masks = {}
    for acceleration in accelerations:
        mask, darts = poisson_darts(shape, acceleration, center_fraction, order)
        found[acceleration] = mask
        order = np.concatenate([darts, order[~np.isin(order, darts)]])
    return found
