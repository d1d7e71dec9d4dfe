"""The convolution for accelerators if each image of a batch has its own kernel, as in fits of un-trained networks.

Under `jax.vmap` such convolutions become one convolution of as many groups.  The kernel's gradient is a convolution
too, with the output's gradient as its kernel.  As groups of that, it has windows as large as the image, for which
cuDNN has no fast form.  Here it is the transpose of the grouped convolution, which cuDNN has a kernel for.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

# Of images, kernels and results.
LAYOUT = ("NHWC", "HWIO", "NHWC")


def by_xla(x: Array, kernel: Array, groups: int = 1) -> Array:
    """Convolve as `jaxcs.nets.convolution.convolve` does, by XLA's convolution.

    Args:
        x: (..., ny, nx, groups * inputs) images.
        kernel: (size, size, inputs, groups * outputs).
        groups: number of groups of channels, each with its own part of the kernel.

    Returns:
        (..., ny, nx, groups * outputs) images.
    """
    batch = x.reshape(-1, *x.shape[-3:])
    y = lax.conv_general_dilated(batch, kernel, (1, 1), "SAME", dimension_numbers=LAYOUT, feature_group_count=groups)
    return y.reshape(*x.shape[:-1], kernel.shape[-1])


@jax.custom_vjp
def convolve_each(x: Array, kernel: Array) -> Array:
    """Convolve as `by_xla` does, with gradients of every order that suit a kernel for each image of a batch.

    Args:
        x: (..., ny, nx, inputs) images.
        kernel: (size, size, inputs, outputs).

    Returns:
        (..., ny, nx, outputs) images.
    """
    return by_xla(x, kernel)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def kernel_gradient(x: Array, gradient: Array, size: int) -> Array:
    """Compute d/d kernel of sum(gradient * convolve_each(x, kernel)), (size, size, inputs, outputs).

    Args:
        x: (..., ny, nx, inputs) images.
        gradient: (..., ny, nx, outputs).
        size: side of the kernel [pixels].
    """

    @jax.custom_batching.custom_vmap
    def of_one(x: Array, gradient: Array) -> Array:
        return _transposed(x, gradient, size, 1)

    @of_one.def_vmap
    def of_each(count: int, batched: list[bool], x: Array, gradient: Array) -> tuple[Array, bool]:
        x, gradient = (
            array if is_batched else jnp.broadcast_to(array, (count, *array.shape))
            for array, is_batched in zip((x, gradient), batched, strict=True)
        )
        joined = _transposed(_channels(x), _channels(gradient), size, count)
        return jnp.moveaxis(joined.reshape(*joined.shape[:-1], count, gradient.shape[-1]), -2, 0), True

    found: Array = of_one(x, gradient)
    return found


def mirrored(kernel: Array) -> Array:
    """The kernel of the transposed convolution."""
    return jnp.flip(kernel, (0, 1)).swapaxes(-2, -1)


def _channels(each: Array) -> Array:
    """(count, ..., channel) -> (..., count * channel)."""
    joined = jnp.moveaxis(each, 0, -2)
    return joined.reshape(*joined.shape[:-2], -1)


def _transposed(x: Array, gradient: Array, size: int, groups: int) -> Array:
    kernel = jax.ShapeDtypeStruct((size, size, x.shape[-1] // groups, gradient.shape[-1]), x.dtype)
    found: Array = jax.linear_transpose(lambda kernel: by_xla(x, kernel, groups), kernel)(gradient)[0]
    return found


def _convolve_forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return convolve_each(x, kernel), (x, kernel)


def _convolve_backward(residual: tuple[Array, Array], gradient: Array) -> tuple[Array, Array]:
    x, kernel = residual
    return convolve_each(gradient, mirrored(kernel)), kernel_gradient(x, gradient, len(kernel))


def _gradient_forward(x: Array, gradient: Array, size: int) -> tuple[Array, tuple[Array, Array]]:
    return kernel_gradient(x, gradient, size), (x, gradient)


def _gradient_backward(size: int, residual: tuple[Array, Array], cotangent: Any) -> tuple[Array, Array]:
    x, gradient = residual
    return convolve_each(gradient, mirrored(cotangent)), convolve_each(x, cotangent)


convolve_each.defvjp(_convolve_forward, _convolve_backward)
kernel_gradient.defvjp(_gradient_forward, _gradient_backward)
