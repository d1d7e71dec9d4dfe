"""FBPConvNet, a U-Net that removes the artefacts of filtered back-projection (Jin et al., IEEE TIP 26:4509, 2017).

The layers are those of the published code, panakino/FBPConvNet: its batch normalisation uses the statistics of the
image at hand in training and at test, with epsilon 1e-4, and what comes up is joined behind the skip.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

from jaxcs.nets.layers import BatchNorm, Conv, PixelwiseConv
from jaxcs.nets.net import Net
from jaxcs.types import Key, Params

_EPSILON = 1e-4
_STANDARD_DEVIATION = 0.01  # of all kernels at the start


def fbpconvnet(channels: int = 64, levels: int = 4) -> Net:
    """Build the network (..., ny, nx) -> (..., ny, nx), which adds a correction to the image.

    With the default values it has 34,562,945 parameters.  Both sides must be multiples of 2^levels, and larger than
    that: the normalisation of a single pixel is 0.  `apply` raises ValueError otherwise.

    Args:
        channels: channels of the first level; each level below has twice as many.
        levels: number of levels below the first.
    """
    module = _Correction(channels, levels)

    def init(key: Key) -> Params:
        side = 2 ** (levels + 1)
        like = jax.eval_shape(module.init, key, jax.ShapeDtypeStruct((side, side, 1), jnp.float32))["params"]
        paths, tree = jax.tree.flatten_with_path(like)
        keys = jax.random.split(key, len(paths))
        return jax.tree.unflatten(
            tree, [_start(path[-1].key, key, leaf.shape) for key, (path, leaf) in zip(keys, paths, strict=True)]
        )

    def apply(params: Params, image: Float[Array, "*batch ny nx"]) -> Float[Array, "*batch ny nx"]:
        check_side(image.shape[-2], levels)
        check_side(image.shape[-1], levels)
        correction: Any = module.apply({"params": params}, image[..., None])
        return image + correction[..., 0].astype(image.dtype)

    return Net(init, apply)


def check_side(side: int, levels: int) -> None:
    """Raise ValueError if the network cannot take an image with this side [pixel]."""
    block = 2**levels
    if side % block or side <= block:
        lower = max(2 * block, side // block * block)
        raise ValueError(
            f"a side of {side} pixels cannot be halved {levels} times to 2 or more; use {lower} or another multiple of "
            f"{block}"
        )


def _start(name: str, key: Key, shape: tuple[int, ...]) -> Array:
    if name == "kernel":
        return _STANDARD_DEVIATION * jax.random.normal(key, shape, jnp.float32)
    return jnp.ones(shape, jnp.float32) if name == "scale" else jnp.zeros(shape, jnp.float32)


class _Block(nn.Module):
    """A 3 x 3 convolution with bias, batch normalisation and ReLU."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, inputs) to (..., ny, nx, features)."""
        x = Conv(self.features, bias=True, name="conv")(x)
        return BatchNorm("after", _EPSILON, name="norm")(x)


class _Raise(nn.Module):
    """A 3 x 3 transposed convolution of stride 2 with bias, batch normalisation and ReLU.

    The last row and column of the 2 n + 1 are dropped.
    """

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, inputs) to (..., 2 ny, 2 nx, features)."""
        shape = (3, 3, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.zeros, shape, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (self.features,), jnp.float32)
        x = transposed_convolve_by_two(x.astype(kernel.dtype), kernel) + bias
        return BatchNorm("after", _EPSILON, name="norm")(x)


class _Correction(nn.Module):
    """Encoder, bottom, decoder with skips, and a 1 x 1 convolution with bias."""

    channels: int
    levels: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, 1) to the same shape."""
        x = _Block(self.channels, name="first")(x)
        skips = []
        for level in range(self.levels + 1):
            for block in ("a", "b"):
                x = _Block(self.channels * 2**level, name=f"down{level}{block}")(x)
            if level < self.levels:
                skips.append(x)
                x = max_pool(x)
        for level in reversed(range(self.levels)):
            x = _Raise(self.channels * 2**level, name=f"raise{level}")(x)
            x = jnp.concatenate([skips[level], x], axis=-1)
            for block in ("a", "b"):
                x = _Block(self.channels * 2**level, name=f"up{level}{block}")(x)
        return PixelwiseConv(1, name="last")(x)


def max_pool(x: Float[Array, "*batch ny nx channel"]) -> Float[Array, "*batch half_ny half_nx channel"]:
    """Take the maximum of each block of 2 x 2 pixels; both sides must be even."""
    *batch, ny, nx, channels = x.shape
    blocks = x.reshape(*batch, ny // 2, 2, nx // 2, 2, channels)
    rows = _larger(blocks[..., 0, :, :, :], blocks[..., 1, :, :, :])
    return _larger(rows[..., 0, :], rows[..., 1, :])


def _larger(a: Array, b: Array) -> Array:
    """The gradient of jnp.max divides by the number of entries equal to it.  A compiler that computes the entries anew
    can find none, and then the gradient is NaN.
    """
    return jnp.where(a >= b, a, b)


def transposed_convolve_by_two(
    x: Float[Array, "*batch ny nx inputs"], kernel: Float[Array, "3 3 inputs outputs"]
) -> Float[Array, "*batch double_ny double_nx outputs"]:
    """Put each pixel times the kernel at twice its place, and drop the last row and column.

    PyTorch's ConvTranspose2d with a 3 x 3 kernel and a stride of 2, without its last row and column.  One product of
    matrices gives all nine terms of each pixel, which are then added in their places.
    """
    *batch, ny, nx, _ = x.shape
    rows = _even_and_odd(jnp.einsum("...yxc,ijco->ij...yxo", x, kernel), -3)
    pixels = jnp.stack([jnp.stack(_even_and_odd(row, -2), axis=-2) for row in rows], axis=-4)
    return pixels.reshape(*batch, 2 * ny, 2 * nx, kernel.shape[-1])


def _even_and_odd(terms: Array, axis: int) -> tuple[Array, Array]:
    """Pixel n adds its three terms to pixels 2 n, 2 n + 1 and 2 n + 2 along the axis; the last pixel is dropped."""
    first, second, third = terms
    before = [(0, 0)] * third.ndim
    before[axis] = (1, 0)
    return first + lax.slice_in_dim(jnp.pad(third, before), 0, third.shape[axis], axis=axis), second
