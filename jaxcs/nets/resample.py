"""Resampling of images (..., ny, nx, channel) to any size by PyTorch's rules, which differ from `jax.image.resize`.

All sizes are known at compile time, so NumPy computes which pixel goes where.  It uses float32 as PyTorch does: in
exact arithmetic about one pair of sizes in a hundred has a pixel that comes from another place.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_ROWS, _COLUMNS = -3, -2


def nearest(x: Float[Array, "*batch ny nx channel"], size: tuple[int, int]) -> Array:
    """Resample to (..., *size, channel): pixel i is a copy of pixel floor(i * in / out).

    PyTorch's `interpolate` with mode "nearest" has the same rule.  `jax.image.resize` counts from the pixels' centres
    instead.

    Args:
        x: (..., ny, nx, channel) images.
        size: (ny, nx) of the result [pixels].
    """
    for axis, outputs in ((_COLUMNS, size[1]), (_ROWS, size[0])):
        if outputs != x.shape[axis]:  # a copy of all pixels would be one more pass over the image
            x = _take(x, axis, _hashable(nearest_places(x.shape[axis], outputs)))
    return x


def nearest_places(inputs: int, outputs: int) -> np.ndarray:
    """Compute which pixel of `inputs` each of `outputs` copies, (outputs,)."""
    place = np.floor(np.arange(outputs, dtype=np.float32) * (np.float32(inputs) / np.float32(outputs)))
    return np.minimum(place, inputs - 1)


def bilinear(x: Float[Array, "*batch ny nx channel"], size: tuple[int, int]) -> Array:
    """Resample to (..., *size, channel): pixel i comes from i * (in - 1) / (out - 1), so the corners stay.

    PyTorch's `interpolate` with mode "bilinear" and align_corners True has the same rule.

    Args:
        x: (..., ny, nx, channel) images.
        size: (ny, nx) of the result [pixels].
    """
    for axis, outputs in ((_COLUMNS, size[1]), (_ROWS, size[0])):
        inputs = x.shape[axis]
        scale = np.float32(inputs - 1) / np.float32(max(outputs - 1, 1))
        place = np.arange(outputs, dtype=np.float32) * scale
        left = np.minimum(np.floor(place), inputs - 1)
        weight = jnp.asarray((place - left).reshape(-1, *[1] * (-1 - axis)), x.dtype)
        right = np.minimum(left + 1, inputs - 1)
        x = (1 - weight) * _take(x, axis, _hashable(left)) + weight * _take(x, axis, _hashable(right))
    return x


def _hashable(index: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in index)


# Autodiff turns a gather into a scatter, which the CPU does pixel by pixel.  The indices never decrease, so the copies
# of one pixel are a run, and the sum of a run is a few gathers.
# Backward times on two cores for 40 x 40 x 64 -> 80 x 80 and for 98 x 93 x 64 -> 160 x 160: 0.08 and 0.25 ms.  A
# scatter takes 0.14 and 0.76 ms, products with 0/1 matrices 1.2 and 4.1 ms, broadcast and reshape 0.08 ms for the
# first, joined slices 0.16 and 159 ms.  Forward, all forms but the matrices take 0.1 and 0.3 ms.
@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _take(x: Array, axis: int, index: tuple[int, ...]) -> Array:
    """Compute x[index] along a negative axis; `index` never decreases."""
    return jnp.take(x, np.asarray(index), axis=axis, mode="clip")


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _sum_runs(y: Array, axis: int, index: tuple[int, ...], inputs: int) -> Array:
    """The transpose of `_take`: for each i below `inputs`, the sum of y over all places at which `index` is i."""
    counts = np.bincount(index, minlength=inputs)
    first = np.searchsorted(index, np.arange(inputs))
    column = (-1, *[1] * (-1 - axis))
    total = jnp.zeros((), y.dtype)
    for k in range(int(counts.max())):
        place = np.minimum(first + k, len(index) - 1)
        total = total + jnp.where((counts > k).reshape(column), jnp.take(y, place, axis=axis, mode="clip"), 0)
    return total


def _take_forward(x: Array, axis: int, index: tuple[int, ...]) -> tuple[Array, Array]:
    # An empty array remembers the size.
    return _take(x, axis, index), jnp.zeros((x.shape[axis], 0), x.dtype)


def _take_backward(axis: int, index: tuple[int, ...], size: Array, gradient: Array) -> tuple[Array]:
    return (_sum_runs(gradient, axis, index, size.shape[0]),)


def _sum_runs_forward(y: Array, axis: int, index: tuple[int, ...], inputs: int) -> tuple[Array, None]:
    return _sum_runs(y, axis, index, inputs), None


def _sum_runs_backward(axis: int, index: tuple[int, ...], inputs: int, residual: None, gradient: Array) -> tuple[Array]:
    return (_take(gradient, axis, index),)


_take.defvjp(_take_forward, _take_backward)
_sum_runs.defvjp(_sum_runs_forward, _sum_runs_backward)
