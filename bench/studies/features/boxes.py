"""Scores of the boxes that radiologists drew around real findings, as Figures 8 and 18 of the ICML 2021 paper.

Boxes are in the frame of the target, rows first; the reader of the tables does the flip.  The paper's code took rows
for columns on a flipped image, and therefore scored other parts of the image.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from data_prep.boxes import clipped
from data_prep.cases import Box
from jaxcs.features import scores
from jaxcs.metrics import WINDOW, nmse, ssim


def box_scores(box: Box, image: jax.Array, target: jax.Array, data_range: jax.Array) -> dict[str, Any] | None:
    """Score one box: its error after both images are standardised, as in the paper, its NMSE and its SSIM.

    The squared error is also given relative to the squared norm of the whole image.  SSIM needs 7 pixels a side; a
    smaller box is widened for it.

    Args:
        box: the box.
        image: (ty, tx) reconstruction.
        target: (ty, tx) truth.
        data_range: maximum of the volume.

    Returns:
        The scores [-], or None if the box is outside the image.
    """
    inside, wide = clipped(box, image.shape), clipped(box, image.shape, WINDOW)
    if inside is None or wide is None:
        return None
    weight = jnp.zeros(image.shape, jnp.float32).at[_slices(inside)].set(1.0)
    error = jnp.sum((image - target)[_slices(inside)] ** 2)
    return {
        "box": list(inside),
        "label": box.label,
        "mse": float(scores.standardised_mse(image, target, weight)),
        "box_nmse": float(nmse(image[_slices(inside)], target[_slices(inside)])),
        "box_share": float(error / jnp.sum(target**2)),
        "box_ssim": float(ssim(image[_slices(wide)], target[_slices(wide)], data_range)),
    }


def _slices(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    row, column, rows, columns = box
    return slice(row, row + rows), slice(column, column + columns)
