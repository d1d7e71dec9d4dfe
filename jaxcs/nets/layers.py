"""The layers of fastMRI's networks, channels last, with any batch axes before: (..., ny, nx, channel).

Values and initialisation are PyTorch's: Conv2d, ConvTranspose2d, InstanceNorm2d, LeakyReLU, AvgPool2d.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array

from jaxcs.nets.convolution import convolve


def torch_uniform(fan_in: int) -> Any:
    """PyTorch's default initialisation of kernels and biases, uniform in +-1 / sqrt(fan in)."""

    def init(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, minval=-1.0, maxval=1.0) / fan_in**0.5

    return init


class Conv(nn.Module):
    """3 x 3 without bias."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """(..., ny, nx, inputs) -> (..., ny, nx, features)."""
        inputs = x.shape[-1]
        kernel = self.param("kernel", torch_uniform(9 * inputs), (3, 3, inputs, self.features))
        return convolve(x.astype(kernel.dtype), kernel)


class PixelwiseConv(nn.Module):
    """1 x 1 with bias."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """(..., ny, nx, inputs) -> (..., ny, nx, features)."""
        inputs = x.shape[-1]
        kernel = self.param("kernel", torch_uniform(inputs), (inputs, self.features))
        return x.astype(kernel.dtype) @ kernel + self.param("bias", torch_uniform(inputs), (self.features,))


class UpConv(nn.Module):
    """2 x 2 transposed convolution of stride 2 without bias: each pixel becomes a block of its own."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """(..., ny, nx, inputs) -> (..., 2 ny, 2 nx, features)."""
        *batch, ny, nx, inputs = x.shape
        # PyTorch takes the outputs' axis for the fan of a transposed kernel.
        kernel = self.param("kernel", torch_uniform(4 * self.features), (2, 2, inputs, self.features))
        blocks = jnp.einsum("...yxc,ijco->...yixjo", x.astype(kernel.dtype), kernel)
        return blocks.reshape(*batch, 2 * ny, 2 * nx, self.features)


@jax.checkpoint
def normalise_and_rectify(x: Array) -> Array:
    """Instance normalisation (biased variance, epsilon 1e-5, nothing learnt), then LeakyReLU of slope 0.2."""
    z = x.astype(jnp.float32)
    centred = z - jnp.mean(z, (-3, -2), keepdims=True)
    z = centred * lax.rsqrt(jnp.mean(centred**2, (-3, -2), keepdims=True) + 1e-5)
    return jnp.where(z > 0, z, 0.2 * z).astype(x.dtype)


def average_pool(x: Array) -> Array:
    """Mean of 2 x 2 blocks; an odd last row or column is dropped."""
    ny, nx = x.shape[-3] // 2 * 2, x.shape[-2] // 2 * 2
    even, odd = (x[..., rows:ny:2, :nx, :] for rows in (0, 1))
    rows = even + odd
    return (rows[..., 0::2, :] + rows[..., 1::2, :]) / 4
