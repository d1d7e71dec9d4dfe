"""Losses that an attack maximises: errors of an image, row by row.

A perturbation of measured rows harms the same rows of the image.  An attack that knows the loss of each row can
therefore search for the worst band of rows (`jaxcs.attacks.scout`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.metrics import WINDOW, haarpsi_losses, haarpsi_of_loss, row_errors, ssim_map

# Order of the norm in place of the largest error: with 8, some fifty equal pixels count 1.6 times as much as a single
# pixel, and errors down to 1e-4 of the range do not vanish in float32.
_ORDER = 8


class ImageLoss(NamedTuple):
    """An error of a real image against a reference of the same shape (ny, nx).

    Attributes:
        rows: (image, reference, data_range) -> the share of each row (ny,); an attack maximises their sum.
        value: (sum, reference) -> the error in its units, which grows with the sum.
        goal: what an attack drives up, in words.
    """

    rows: Callable[[Array, Array, Array], Float[Array, "ny"]]
    value: Callable[[Array, Array], Float[Array, ""]]
    goal: str

    def __call__(self, image: Array, reference: Array, data_range: Array) -> Float[Array, ""]:
        """Return the error in its units."""
        return self.value(jnp.sum(self.rows(image, reference, data_range)), reference)


def _squared(image: Array, reference: Array, data_range: Array) -> Array:
    del data_range
    return jnp.sum((image - reference) ** 2, axis=-1)


def _dissimilar(image: Array, reference: Array, data_range: Array) -> Array:
    local = ssim_map(image, reference, data_range)
    return jnp.pad(jnp.sum(1 - local, axis=-1) / local.size, WINDOW // 2)


def _less_alike(image: Array, reference: Array, data_range: Array) -> Array:
    pairs = haarpsi_losses(image, reference, data_range)
    ny = image.shape[0]
    # Both rows of a pair share its loss; the last row of an odd number stands for a pair.
    return (jnp.repeat(pairs, 2)[:ny] / 2).at[-1].multiply(1 + ny % 2)


def _relative(image: Array, reference: Array, data_range: Array) -> Array:
    del data_range
    return row_errors(image, reference) / image.shape[0]


def _power(image: Array, reference: Array, data_range: Array) -> Array:
    return jnp.sum((jnp.abs(image - reference) / data_range) ** _ORDER, axis=-1)


def _as_it_is(total: Array, reference: Array) -> Array:
    del reference
    return total


# Losses by the metric that each increases, in the units of that metric.  The exceptions are `ssim` and `haarpsi`, which
# are 1 less the metric, and `max_error`, the 8-norm, which is smooth and at least as large as the largest error.
LOSSES: Mapping[str, ImageLoss] = MappingProxyType(
    {
        "nmse": ImageLoss(_squared, lambda total, reference: total / jnp.sum(reference**2), "squared error"),
        "ssim": ImageLoss(_dissimilar, _as_it_is, "loss of SSIM"),
        "haarpsi": ImageLoss(_less_alike, lambda total, reference: 1 - haarpsi_of_loss(total), "loss of HaarPSI"),
        "row_error": ImageLoss(_relative, _as_it_is, "squared error, each row relative to its own energy,"),
        "max_error": ImageLoss(
            _power, lambda total, reference: total ** (1 / _ORDER), "error of a pixel (by the 8-norm)"
        ),
    }
)
