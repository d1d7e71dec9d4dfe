"""4 x 4 convolutions that halve or double an image, as 3 x 3 convolutions between blocks of 2 x 2 pixels.

Both are zero-padded by one pixel, as PyTorch's Conv2d and ConvTranspose2d of size 4, stride 2 and padding 1, and
TensorFlow's "SAME".  The blocks have 36 products instead of 16, and the gradients that `convolve` has on the CPU.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.nets.convolution import convolve


def halve(
    x: Float[Array, "*batch ny nx inputs"], kernel: Float[Array, "4 4 inputs outputs"]
) -> Float[Array, "*batch half_ny half_nx outputs"]:
    """Compute y[i] = sum_k kernel[k] x[2 i - 1 + k] along both axes, for even ny and nx."""
    *batch, ny, nx, inputs = x.shape
    blocks = x.reshape(*batch, ny // 2, 2, nx // 2, 2, inputs).swapaxes(-4, -3)
    joined = _blocks(kernel).reshape(3, 3, 4 * inputs, kernel.shape[-1])
    return convolve(blocks.reshape(*batch, ny // 2, nx // 2, 4 * inputs), joined)


def double(
    x: Float[Array, "*batch ny nx inputs"], kernel: Float[Array, "4 4 inputs outputs"]
) -> Float[Array, "*batch twice_ny twice_nx outputs"]:
    """Add kernel[k] x[i] to y[2 i - 1 + k] along both axes: the transpose of `halve` with the channels exchanged."""
    *batch, ny, nx, inputs = x.shape
    outputs = kernel.shape[-1]
    parts = jnp.flip(_blocks(kernel), (0, 1)).transpose(0, 1, 4, 2, 3, 5).reshape(3, 3, inputs, 4 * outputs)
    blocks = convolve(x, parts).reshape(*batch, ny, nx, 2, 2, outputs).swapaxes(-4, -3)
    return blocks.reshape(*batch, 2 * ny, 2 * nx, outputs)


def _blocks(kernel: Array) -> Array:
    """The kernel as (3, 3, 2, 2, inputs, outputs): blocks, then places in a block.  The image begins with a block."""
    wide = jnp.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
    return wide.reshape(3, 2, 3, 2, *kernel.shape[2:]).swapaxes(1, 2)
