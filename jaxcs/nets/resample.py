"""Images to any size, channels last, (..., ny, nx, channel), by PyTorch's rules; those of `jax.image.resize` differ.

All sizes are known when a function is compiled, so which pixel goes where is worked out with NumPy, in float32 as in
PyTorch: in exact arithmetic about one pair of sizes in a hundred has a pixel that comes from another place.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_ROWS, _COLUMNS = -3, -2


def nearest(x: Float[Array, "*batch ny nx channel"], size: tuple[int, int]) -> Array:
    """(..., ny, nx, channel) -> (..., *size, channel): pixel i comes from floor(i * in / out).

    PyTorch's `interpolate` with mode "nearest".  `jax.image.resize` counts from the pixels' centres instead.
    """
    for axis, outputs in ((_COLUMNS, size[1]), (_ROWS, size[0])):
        x = _take(x, axis, _hashable(nearest_places(x.shape[axis], outputs)))
    return x


def nearest_places(inputs: int, outputs: int) -> np.ndarray:
    """The pixel of `inputs` that each of `outputs` is a copy of."""
    place = np.floor(np.arange(outputs, dtype=np.float32) * (np.float32(inputs) / np.float32(outputs)))
    return np.minimum(place, inputs - 1)


def bilinear(x: Float[Array, "*batch ny nx channel"], size: tuple[int, int]) -> Array:
    """(..., ny, nx, channel) -> (..., *size, channel): the corners stay, pixel i comes from i * (in - 1) / (out - 1).

    PyTorch's `interpolate` with mode "bilinear" and align_corners True.
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


# Autodiff turns a gather into a scatter, which the CPU does pixel by pixel.  The indices never decrease, so what came
# from one pixel is a run, and its sum a few gathers.  40 x 40 x 64 -> 80 x 80 and 98 x 93 x 64 -> 160 x 160, on two
# cores: 0.08 and 0.25 ms; scatter 0.14 and 0.76, products with 0/1 matrices 1.2 and 4.1, broadcast and reshape 0.08 for
# the first, and slices joined together 0.16 and 159.  Forward all but the matrices take 0.1 and 0.3 ms.
@partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _take(x: Array, axis: int, index: tuple[int, ...]) -> Array:
    """x[index] along a negative axis; `index` never decreases."""
    return jnp.take(x, np.asarray(index), axis=axis, mode="clip")


@partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _sum_runs(y: Array, axis: int, index: tuple[int, ...], inputs: int) -> Array:
    """The transpose of `_take`: at i of `inputs` places the sum of y where `index` is i."""
    counts = np.bincount(index, minlength=inputs)
    first = np.searchsorted(index, np.arange(inputs))
    column = (-1, *[1] * (-1 - axis))
    total = jnp.zeros((), y.dtype)
    for k in range(int(counts.max())):
        place = np.minimum(first + k, len(index) - 1)
        total = total + jnp.where((counts > k).reshape(column), jnp.take(y, place, axis=axis, mode="clip"), 0)
    return total


def _take_forward(x: Array, axis: int, index: tuple[int, ...]) -> tuple[Array, Array]:
    # An empty array that remembers the size.
    return _take(x, axis, index), jnp.zeros((x.shape[axis], 0), x.dtype)


def _take_backward(axis: int, index: tuple[int, ...], size: Array, gradient: Array) -> tuple[Array]:
    return (_sum_runs(gradient, axis, index, size.shape[0]),)


def _sum_runs_forward(y: Array, axis: int, index: tuple[int, ...], inputs: int) -> tuple[Array, None]:
    return _sum_runs(y, axis, index, inputs), None


def _sum_runs_backward(axis: int, index: tuple[int, ...], inputs: int, residual: None, gradient: Array) -> tuple[Array]:
    return (_take(gradient, axis, index),)


_take.defvjp(_take_forward, _take_backward)
_sum_runs.defvjp(_sum_runs_forward, _sum_runs_backward)
