"""Losses that an attack maximises: errors of an image, row by row.

A perturbation of measured rows harms the same rows of the image.  An attack that knows the loss of each row can
therefore search for the worst band of rows (`jaxcs.attacks.scout`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.haarpsi import haarpsi_losses, haarpsi_of_loss
from jaxcs.metrics import WINDOW, row_errors, ssim_map, windows_inside
from jaxcs.scored import Region, inside

# Order of the norm in place of the largest error: with 8, some fifty equal pixels count 1.6 times as much as a single
# pixel, and errors down to 1e-4 of the range do not vanish in float32.
_ORDER = 8


class ImageLoss(NamedTuple):
    """An error of a real image against a reference of the same shape (ny, nx).

    Attributes:
        rows: (image, reference, data_range, region) -> the share of each row (ny,); an attack maximises their sum.
            Only pixels count for which `region` is True, or all if it is None.
        value: (sum, reference, region) -> the error in its units, which grows with the sum.
        goal: what an attack drives up, in words.
        sees: what stands in place of the image: the "image" itself, or its "hallucination" map, see
            `jaxcs.measures.hallucination`.
    """

    rows: Callable[[Array, Array, Array, Region | None], Float[Array, "ny"]]
    value: Callable[[Array, Array, Region | None], Float[Array, ""]]
    goal: str
    sees: Literal["image", "hallucination"] = "image"

    def __call__(
        self, image: Array, reference: Array, data_range: Array, region: Region | None = None
    ) -> Float[Array, ""]:
        """Return the error in its units."""
        return self.value(jnp.sum(self.rows(image, reference, data_range, region)), reference, region)


def _squared(image: Array, reference: Array, data_range: Array, region: Region | None) -> Array:
    del data_range
    return jnp.sum(inside(image - reference, region) ** 2, axis=-1)


def _dissimilar(image: Array, reference: Array, data_range: Array, region: Region | None) -> Array:
    local, windows = ssim_map(image, reference, data_range), windows_inside(region)
    count = local.size if windows is None else jnp.sum(windows, dtype=jnp.int32)
    return jnp.pad(jnp.sum(inside(1 - local, windows), axis=-1) / count, WINDOW // 2)


def _less_alike(image: Array, reference: Array, data_range: Array, region: Region | None) -> Array:
    pairs = haarpsi_losses(image, reference, data_range, region)
    ny = image.shape[0]
    # Both rows of a pair share its loss; the last row of an odd number stands for a pair.
    return (jnp.repeat(pairs, 2)[:ny] / 2).at[-1].multiply(1 + ny % 2)


def _relative(image: Array, reference: Array, data_range: Array, region: Region | None) -> Array:
    del data_range
    return row_errors(image, reference, region)


def _power(image: Array, reference: Array, data_range: Array, region: Region | None) -> Array:
    return jnp.sum((jnp.abs(inside(image - reference, region)) / data_range) ** _ORDER, axis=-1)


def _energy(hallucinated: Array, reference: Array, data_range: Array, region: Region | None) -> Array:
    del reference, data_range
    return jnp.sum(inside(hallucinated, region) ** 2, axis=-1)


def _as_it_is(total: Array, reference: Array, region: Region | None) -> Array:
    del reference, region
    return total


def _normalised(total: Array, reference: Array, region: Region | None) -> Array:
    return total / jnp.sum(inside(reference, region) ** 2)


def _root(total: Array, reference: Array, region: Region | None) -> Array:
    del reference, region
    return total ** (1 / _ORDER)


def _unlike(total: Array, reference: Array, region: Region | None) -> Array:
    del reference, region
    return 1 - haarpsi_of_loss(total)


# Losses by the metric that each increases, in the units of that metric.  The exceptions are `ssim` and `haarpsi`, which
# are 1 less the metric, and `max_error`, the 8-norm, which is smooth and at least as large as the largest error.
LOSSES: Mapping[str, ImageLoss] = MappingProxyType(
    {
        "nmse": ImageLoss(_squared, _normalised, "squared error"),
        "ssim": ImageLoss(_dissimilar, _as_it_is, "loss of SSIM"),
        "haarpsi": ImageLoss(_less_alike, _unlike, "loss of HaarPSI"),
        "row_error": ImageLoss(_relative, _as_it_is, "squared error, each row relative to its own energy,"),
        "max_error": ImageLoss(_power, _root, "error of a pixel (by the 8-norm)"),
        "hallucination": ImageLoss(_energy, _normalised, "hallucinated energy", "hallucination"),
    }
)
