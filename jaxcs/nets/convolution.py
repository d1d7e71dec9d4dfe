"""The 3 x 3 convolution of all networks, with its gradients, in the forms that each kind of device runs fast.

Channels are last.  On accelerators convolution and gradients are XLA's alone, so that examples of a batch share one
gradient of the kernel.  On the CPU XLA has one fast kernel (input (batch,
y, x, channel), kernel (y, x, in, out)).  Autodiff's gradients of a convolution come in other forms.  XLA turns them
into the fast form outside loops.  Inside loops it does not, and they are 20 times slower.  So the gradients are written
out here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcs.nets.grouped import LAYOUT, by_xla, convolve_each, mirrored
from jaxcs.nets.winograd import convolve_by_winograd

# On the CPU a convolution is faster as one fused sum of shifted images, if the product of input and output channels is
# at most _FEW_CHANNELS, and neither is over _MOST_OF_FEW.
# Measured: 0.3 against 1.2 ms for 4 -> 4 channels at 256 x 256, 1.1 against 7.7 ms for 8 images of 2 -> 2 channels.  8
# -> 8 ties, and 32 -> 1 at 320 x 320 takes 13 against 1.5 ms.
_FEW_CHANNELS, _MOST_OF_FEW = 32, 8
# Up to this product of channels the kernel's gradient is faster as nine matrix products.  Measured on one core: 1.7
# against 14 ms for 16 -> 8 channels at 160 x 128, 1.1 against 7.7 ms for 32 -> 16 at 80 x 64, but 9.1 against 6.1 ms
# for 32 -> 32 at 160 x 128.
_FEW_FOR_KERNEL = 512
# From this many numbers in the output's gradient of one image, the kernel's gradient is faster as one product for each
# block of about _PIXELS_OF_BLOCK pixels.  The numbers are then probably more than the cache keeps for the convolution.
# As a convolution and in blocks, on one core: 8.9 and 1.3 s for 160 -> 160 channels at 640 x 368, 204 and 124 ms for 64
# -> 64 at 320 x 320, but 24 and 25 ms at 160 x 160, 6.2 and 8.5 ms at 80 x 80, 20 and 21.5 ms for 256 -> 256 at 40 x
# 40.  On two cores of another machine: 13.7 and 8.0 ms for 64 -> 64 at 160 x 160, 8.8 and 6.4 ms for 128 -> 128 at 80 x
# 80, 3.9 and 4.0 ms for 32 -> 32 at 160 x 160.
# Other forms for 64 -> 64 at 160 x 160: nine products 73 ms, nine products with the nine inputs joined 98 ms, either of
# them in blocks 34 and 37 ms, the form of the blocks without blocks 56 ms.
_LARGE_FOR_KERNEL, _PIXELS_OF_BLOCK = 800_000, 1300
# From this product of pixels, input and output channels, half the multiplications can be worth the transforms.  On one
# machine: 19 against 32 ms for 32 -> 32 channels at 320 x 320, and 14 against 30 ms for 64 -> 64 at 160 x 160.  On
# another machine: 5.7 against 6.2 ms and 4.7 against 4.5 ms, but 3.0 against 3.8 ms for 128 -> 128 at 80 x 80, and 5.1
# against 7.6 ms for 512 -> 256 at 40 x 40.  Small layers gain too little for the time that the compiler takes: twice as
# long for a U-Net.
_MUCH_WORK = 2**25
# Winograd's form needs at least this many pixels for each channel.  With fewer, the transform of the kernel can cost
# what is saved.  It may have at most this many numbers in all images.  More numbers leave the cache between the
# transforms: 20 against 9.8 ms for 64 -> 32 at 320 x 320, 73 against 34 ms for 15 images of 16 -> 16 at 320 x 184, but
# 8.6 against 9.6 ms for 72 -> 36 at 320 x 184.
_PIXELS_A_CHANNEL, _NUMBERS_IN_CACHE = 2, 4_500_000


def convolve(
    x: Float[Array, "*batch ny nx inputs"], kernel: Float[Array, "size size inputs outputs"], each: bool = False
) -> Float[Array, "*batch ny nx outputs"]:
    """Cross-correlate with zero padding that keeps the size, as PyTorch's Conv2d does.

    The function has reverse-mode derivatives of every order.  Forward mode is `jax.linear_transpose` of a vjp.

    Args:
        x: (..., ny, nx, inputs) images.
        kernel: (size, size, inputs, outputs), with an odd size.
        each: whether a batch by `jax.vmap` has a kernel for each image, as in a batch of fits.

    Returns:
        (..., ny, nx, outputs) images.
    """
    return lax.platform_dependent(x, kernel, cpu=_on_cpu, default=convolve_each if each else by_xla)


def convolve_by_two(
    x: Float[Array, "*batch ny nx inputs"], kernel: Float[Array, "size size inputs outputs"], each: bool = False
) -> Float[Array, "*batch half_ny half_nx outputs"]:
    """Compute every second pixel along both axes of `convolve`'s result, as PyTorch's stride of 2.

    With the pixels of each 2 x 2 block as channels, the result is again a convolution.  Its kernel is the old kernel
    cut into such blocks.  For 5 x 5 it computes 36 products instead of 25, and it has the gradients of `convolve`.

    Args:
        x: (..., ny, nx, inputs) images.
        kernel: (size, size, inputs, outputs), with an odd size.
        each: as for `convolve`.

    Returns:
        (..., ceil(ny / 2), ceil(nx / 2), outputs) images, beginning with the first pixel.
    """
    *batch, ny, nx, inputs = x.shape
    x = jnp.pad(x, [*[(0, 0)] * len(batch), (0, ny % 2), (0, nx % 2), (0, 0)])
    half_ny, half_nx = x.shape[-3] // 2, x.shape[-2] // 2
    x = x.reshape(*batch, half_ny, 2, half_nx, 2, inputs).swapaxes(-4, -3)
    # Pixel i of the kernel is at i - margin from the centre.  Block b begins at 2 (b - blocks // 2).
    size, margin = len(kernel), len(kernel) // 2
    blocks = 2 * -(-margin // 2) + 1
    before = 2 * (blocks // 2) - margin
    ends = (before, 2 * blocks - size - before)
    kernel = jnp.pad(kernel, (ends, ends, (0, 0), (0, 0))).reshape(blocks, 2, blocks, 2, inputs, -1).swapaxes(1, 2)
    x = x.reshape(*batch, half_ny, half_nx, 4 * inputs)
    return convolve(x, kernel.reshape(blocks, blocks, 4 * inputs, kernel.shape[-1]), each)


@jax.custom_vjp
def _on_cpu(x: Array, kernel: Array) -> Array:
    inputs, outputs = kernel.shape[-2:]
    most = max(inputs, outputs)
    if inputs * outputs <= _FEW_CHANNELS and most <= _MOST_OF_FEW:
        return _sum_of_shifts(x, kernel)
    pixels, numbers = x.shape[-3] * x.shape[-2], x.size // inputs * most
    pays = (
        pixels * inputs * outputs >= _MUCH_WORK and pixels >= _PIXELS_A_CHANNEL * most and numbers <= _NUMBERS_IN_CACHE
    )
    # Lower precisions would lose too much accuracy in the transforms.
    exact = x.dtype == kernel.dtype == jnp.float32
    return convolve_by_winograd(x, kernel, by_xla) if pays and exact and len(kernel) == 3 else by_xla(x, kernel)


def _sum_of_shifts(x: Array, kernel: Array) -> Array:
    """The convolution, with channels first inside, so that vector instructions run along rows.

    The condition is a wall, and is never False for a usable kernel.  Without it XLA would fuse the plain sum into every
    operation that reads it, and compute it anew each time: three times after a normalisation, and more for its
    gradient.
    """
    images = jnp.moveaxis(x, -1, 0)

    def compute(images: Array, kernel: Array) -> Array:
        first = (Ellipsis, *[None] * (images.ndim - 1))
        terms = [
            kernel[i, j, c][first] * image[c] for i, j, image in _shifts(images, len(kernel)) for c in range(len(image))
        ]
        return sum(terms[1:], start=terms[0])

    def fail(images: Array, kernel: Array) -> Array:
        return jnp.full((kernel.shape[-1], *images.shape[1:]), jnp.nan, images.dtype)

    return jnp.moveaxis(lax.cond(jnp.isfinite(jnp.sum(kernel)), compute, fail, images, kernel), 0, -1)


def _shifts(x: Array, size: int) -> Any:
    """Yield (i, j, image) for the last two axes: pixel (y, x) is x's pixel (y + i - size // 2, x + j - size // 2)."""
    ny, nx = x.shape[-2:]
    margin = size // 2
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 2) + [(margin, margin)] * 2)
    for i in range(size):
        for j in range(size):
            yield i, j, padded[..., i : i + ny, j : j + nx]


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _kernel_gradient(x: Array, gradient: Array, size: int) -> Array:
    """d/d kernel of sum(gradient * convolve(x, kernel)).

    The function is bilinear, and its gradients are convolutions in the fast form again.  Differentiation through a
    training or a fit needs them.
    """
    x, gradient = (array.reshape(-1, *array.shape[-3:]) for array in (x, gradient))
    margin = size // 2
    if x.shape[-1] * gradient.shape[-1] <= _FEW_FOR_KERNEL:
        return jnp.sum(lax.map(lambda pair: _products_of_shifts(pair[0], pair[1], size), (x, gradient)), axis=0)
    if gradient[0].size >= _LARGE_FOR_KERNEL:
        return _products_of_blocks(x, gradient, size)
    # A convolution of the input with the gradient as its kernel: the channels become the batch, the images the
    # channels.
    images, kernel = jnp.moveaxis(x, (0, -1), (-1, 0)), jnp.moveaxis(gradient, 0, -2)
    y = lax.conv_general_dilated(images, kernel, (1, 1), [(margin, margin)] * 2, dimension_numbers=LAYOUT)
    return jnp.moveaxis(y, 0, -2)


def _kernel_gradient_forward(x: Array, gradient: Array, size: int) -> tuple[Array, tuple[Array, Array]]:
    return _kernel_gradient(x, gradient, size), (x, gradient)


def _kernel_gradient_backward(size: int, residual: tuple[Array, Array], cotangent: Array) -> tuple[Array, Array]:
    x, gradient = residual
    return _on_cpu(gradient, mirrored(cotangent)), _on_cpu(x, cotangent)


_kernel_gradient.defvjp(_kernel_gradient_forward, _kernel_gradient_backward)


def _products_of_shifts(x: Array, gradient: Array, size: int) -> Array:
    """The kernel's gradient for one image (ny, nx, channels), by a matrix product for each entry of the kernel.

    The rows are joined into one row, padded so that no row reaches into the next.  Each shift is then a contiguous
    piece.
    """
    margin, width = size // 2, x.shape[1] + size - 1
    x, gradient = jnp.moveaxis(x, -1, 0), jnp.moveaxis(gradient, -1, 0)
    joined = jnp.pad(x, ((0, 0), (margin, margin + 1), (margin, margin))).reshape(len(x), -1)
    by = jnp.pad(gradient, ((0, 0), (0, 0), (0, size - 1))).reshape(len(gradient), -1)
    pieces = [joined[:, i * width + j :][:, : by.shape[1]] for i in range(size) for j in range(size)]
    return jnp.stack([piece @ by.T for piece in pieces]).reshape(size, size, len(x), len(gradient))


def _products_of_blocks(x: Array, gradient: Array, size: int) -> Array:
    """The kernel's gradient for images (batch, ny, nx, channels), by a matrix product for each block of rows.

    The rows are joined into one row, with margins of zeros.  The input's shifts along y and the gradient's shifts along
    x are joined as channels.  One product then has all pairs of shifts and channels, with enough rows and columns to
    run fast.  The block is small enough for them to stay in the cache.
    """
    batch, ny, nx, inputs = x.shape
    outputs, margin, width = gradient.shape[-1], size // 2, nx + size - 1
    rows = -(-ny // max(1, round(ny * width / _PIXELS_OF_BLOCK)))
    blocks, pixels = -(-ny // rows), rows * width
    below = blocks * rows - ny
    x = jnp.pad(x, ((0, 0), (margin, margin + below), (margin, margin), (0, 0))).reshape(batch, -1, inputs)
    gradient = jnp.pad(gradient, ((0, 0), (0, below), (margin, margin), (0, 0))).reshape(batch, -1, outputs)
    gradient = jnp.pad(gradient, ((0, 0), (margin, margin), (0, 0)))
    accurate = jnp.promote_types(x.dtype, jnp.float32)

    def add(total: Array, block: Array) -> tuple[Array, None]:
        start = (block // blocks, block % blocks * pixels, 0)
        piece = lax.dynamic_slice(x, start, (1, pixels + (size - 1) * width, inputs))[0]
        by = lax.dynamic_slice(gradient, start, (1, pixels + size - 1, outputs))[0]
        left = jnp.concatenate([piece[i * width :][:pixels] for i in range(size)], axis=1)
        right = jnp.concatenate([by[size - 1 - j :][:pixels] for j in range(size)], axis=1)
        return total + lax.dot_general(left, right, (((0,), (0,)), ((), ())), preferred_element_type=accurate), None

    zero = jnp.zeros((size * inputs, size * outputs), accurate)
    total = lax.scan(add, zero, jnp.arange(batch * blocks))[0]
    return total.reshape(size, inputs, size, outputs).swapaxes(1, 2).astype(x.dtype)


# The backward pass needs the input only for the kernel's gradient, which an attack never asks for.  An empty array, and
# not None, takes its place, because JAX takes the residuals of a function to be as many each time.
def _forward(x: Any, kernel: Any) -> tuple[Array, tuple[Array, Array]]:
    kept = x.value if kernel.perturbed else jnp.zeros(0, x.value.dtype)
    return _on_cpu(x.value, kernel.value), (kept, kernel.value)


def _backward(residual: tuple[Array, Array], gradient: Any) -> tuple[Array, Array]:
    x, kernel = residual
    to_input = _on_cpu(gradient, mirrored(kernel))
    return to_input, _kernel_gradient(x, gradient, len(kernel)) if x.size else jnp.zeros_like(kernel)


_on_cpu.defvjp(_forward, _backward, symbolic_zeros=True)
