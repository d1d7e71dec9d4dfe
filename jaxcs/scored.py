"""The pixels that a metric scores: regions of images, pairs of magnitudes, and runs along an axis."""

from __future__ import annotations

from collections.abc import Iterable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

# True for the pixels of an image that count, or None for all.
Region = Bool[Array, "ny nx"]
# (first row, first column, rows, columns) of an image [pixels].
Box = tuple[int, int, int, int]


def region_of(boxes: Iterable[Box], shape: tuple[int, int]) -> Bool[np.ndarray, "ny nx"]:
    """Make the region of boxes that lie inside an image, together.

    Args:
        boxes: (first row, first column, rows, columns) of each [pixels].
        shape: (ny, nx) of the image.
    """
    found = np.zeros(shape, bool)
    for row, column, rows, columns in boxes:
        found[row : row + rows, column : column + columns] = True
    return found


def inside(values: Float[Array, "*axes"], region: Region | None) -> Float[Array, "*axes"]:
    """Set the values outside a region to 0; None keeps all."""
    return values if region is None else jnp.where(region, values, 0)


def runs(x: Float[Array, "my mx"], first: int, count: int, axis: int) -> Array:
    """Return the `count` entries of `x` along `axis` that begin at `first`."""
    return jax.lax.slice_in_dim(x, first, first + count, axis=axis)


def real_pair(metric: str, image: Array, target: Array) -> tuple[Array, Array]:
    """Return both as real floating-point arrays of at least 32 bits.

    Args:
        metric: name of the metric, for messages.
        image: magnitudes of any shape.
        target: magnitudes of the same shape.

    Raises:
        ValueError: If the shapes differ or an input is complex.
    """
    if image.shape != target.shape:
        raise ValueError(f"{metric}: image is {image.shape}, target is {target.shape}; need equal shapes")
    if jnp.iscomplexobj(image) or jnp.iscomplexobj(target):
        raise ValueError(f"{metric}: image is {image.dtype}, target is {target.dtype}; need magnitudes")
    dtype = jnp.promote_types(jnp.result_type(image, target), jnp.float32)
    return jnp.asarray(image, dtype), jnp.asarray(target, dtype)
