"""The head around a segmented brain: fluid, skull and scalp, drawn by their distance from the brain."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from data_prep.phantom.pieces import Array, Grid, inside, smooth_noise

# Closings over these distances bridge sulci, and the clefts between the lobes at the base of the skull [mm].
_SULCI, _CLEFTS = 6.0, 30.0
# Widths from the brain outwards [mm]: fluid, bone, fat and skin.
_FLUID, _BONE, _FAT, _SKIN = 2.0, 6.0, 3.5, 2.0


def hull(brain: Bool[np.ndarray, "ny nx"], step: float, over: float = _SULCI) -> Bool[np.ndarray, "ny nx"]:
    """Fill the ventricles of a slice of a brain, and its gaps.

    Args:
        brain: True in grey and white matter.
        step: side of a pixel [mm].
        over: half the width of the widest gap that is filled [mm].
    """
    # A margin, because the brain may lie nearer to the border than the gaps are wide.
    margin = int(np.ceil(over / step)) + 1
    reach = ndimage.distance_transform_edt(~np.pad(brain, margin)) * step <= over
    closed = ndimage.distance_transform_edt(reach)[margin:-margin, margin:-margin] * step > over
    filled: np.ndarray = ndimage.binary_fill_holes(closed | brain)
    return filled


def surround(
    rng: np.random.RandomState, grid: Grid, brain: Bool[np.ndarray, "ny nx"]
) -> dict[str, Float[np.ndarray, "ny nx"]]:
    """Draw the share of each tissue around the brain, between 0 and 1, with smooth edges.

    Args:
        rng: random numbers for the thickness of skull and scalp.
        grid: the pixels; its step must be that of `brain`.
        brain: True in grey and white matter.

    Returns:
        Shares of "fluid", "bone", "fat" and "muscle", 0 where brain is.
    """
    distance = _distance(hull(brain, grid.step, _CLEFTS)) * grid.step
    wavy = 1 + 0.25 * smooth_noise(rng, grid, 30.0)
    edges = np.cumsum([_FLUID, rng.uniform(0.8, 1.2) * _BONE, rng.uniform(0.6, 1.6) * _FAT, _SKIN])
    shares: dict[str, Array] = {}
    covered = np.zeros(brain.shape)
    for name, edge in zip(("inside", "bone", "fat", "muscle"), edges, strict=True):
        reached = inside(distance - edge * wavy, 2 * grid.step)
        shares[name] = np.clip(reached - covered, 0, 1)
        covered = np.maximum(covered, reached)
    # What is inside the skull and far from the brain has no label: it is drawn as soft tissue.
    within = shares.pop("inside") * ~brain
    shares["fluid"] = within * inside(_distance(hull(brain, grid.step)) * grid.step - _FLUID, 2 * grid.step)
    shares["muscle"] += within - shares["fluid"]
    return shares


def _distance(within: Bool[np.ndarray, "ny nx"]) -> Array:
    """Distance from the hull [pixels], negative inside."""
    if not within.any():
        return np.full(within.shape, np.inf)
    outer: Array = ndimage.distance_transform_edt(~within)
    inner: Array = ndimage.distance_transform_edt(within)
    return outer - inner
