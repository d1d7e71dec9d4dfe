"""The layers of the networks, with channels last and any batch axes first: (..., ny, nx, channel).

Values and initialisation agree with PyTorch's Conv2d, ConvTranspose2d, InstanceNorm2d, BatchNorm2d, LeakyReLU and
AvgPool2d.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array

from jaxcs.nets.convolution import convolve, convolve_by_two


def torch_uniform(fan_in: int) -> Any:
    """Return PyTorch's default initialiser of kernels and biases, uniform in +-1 / sqrt(fan in)."""

    def init(key: Array, shape: tuple[int, ...]) -> Array:
        return jax.random.uniform(key, shape, jnp.float32, minval=-1.0, maxval=1.0) / fan_in**0.5

    return init


class Conv(nn.Module):
    """A convolution with zero padding.

    Attributes:
        features: output channels.
        size: side of the kernel [pixels], an odd number.
        stride: 1 or 2, for both axes.
        bias: whether a bias is added.
        each: whether each image of a batch has its own kernel.
    """

    features: int
    size: int = 3
    stride: int = 1
    bias: bool = False
    each: bool = False

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, inputs) to (..., ceil(ny / stride), ceil(nx / stride), features)."""
        init = torch_uniform(self.size**2 * x.shape[-1])
        kernel = self.param("kernel", init, (self.size, self.size, x.shape[-1], self.features))
        x = x.astype(kernel.dtype)
        y = (convolve if self.stride == 1 else convolve_by_two)(x, kernel, self.each)
        return y + self.param("bias", init, (self.features,)) if self.bias else y


class PixelwiseConv(nn.Module):
    """A 1 x 1 convolution.

    Attributes:
        features: output channels.
        bias: whether a bias is added.
    """

    features: int
    bias: bool = True

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, inputs) to (..., ny, nx, features)."""
        init = torch_uniform(x.shape[-1])
        kernel = self.param("kernel", init, (x.shape[-1], self.features))
        y = x.astype(kernel.dtype) @ kernel
        return y + self.param("bias", init, (self.features,)) if self.bias else y


class UpConv(nn.Module):
    """A 2 x 2 transposed convolution of stride 2 without bias: each pixel becomes a block of 2 x 2 pixels."""

    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, inputs) to (..., 2 ny, 2 nx, features)."""
        *batch, ny, nx, inputs = x.shape
        # PyTorch takes the outputs' axis for the fan in of a transposed kernel.
        kernel = self.param("kernel", torch_uniform(4 * self.features), (2, 2, inputs, self.features))
        blocks = jnp.einsum("...yxc,ijco->...yixjo", x.astype(kernel.dtype), kernel)
        return blocks.reshape(*batch, 2 * ny, 2 * nx, self.features)


@jax.custom_vjp
def normalise_and_rectify(x: Array) -> Array:
    """Apply instance normalisation (biased variance, epsilon 1e-5, no parameters), then LeakyReLU of slope 0.2."""
    return _normalise_and_rectify(x)[0]


# The result, which the next layer reads anyway, holds all that the gradient needs.  It has the sign of the normalised
# image, and division by the slope gives this image.  So the convolution's output is not kept.
def _normalise_and_rectify(x: Array) -> tuple[Array, tuple[Array, Array]]:
    z = x.astype(jnp.float32)
    mean, variance = lax.platform_dependent(z, cpu=_moments, default=_moments_at_once)
    scale = lax.rsqrt(variance + 1e-5)
    z = (z - mean) * scale
    y = jnp.where(z > 0, z, 0.2 * z).astype(x.dtype)
    return y, (y, scale)


def _moments(z: Array) -> tuple[Array, Array]:
    """Mean and biased variance of each channel over its image."""
    mean = jnp.mean(z, (-3, -2), keepdims=True)
    return mean, jnp.mean((z - mean) ** 2, (-3, -2), keepdims=True)


def _moments_at_once(z: Array) -> tuple[Array, Array]:
    """The same in one pass over the image, because accelerators wait for memory.

    Squares are taken of the distance from a pixel of the image, so that a large mean costs no accuracy.
    """
    pixel = z[..., :1, :1, :]
    distance = z - pixel
    mean, square = (jnp.mean(power, (-3, -2), keepdims=True) for power in (distance, distance**2))
    return pixel + mean, jnp.maximum(square - mean**2, 0)


def _gradient_of_normalise_and_rectify(residual: tuple[Array, Array], gradient: Array) -> tuple[Array]:
    y, scale = residual
    positive = y > 0
    z = jnp.where(positive, y, y / 0.2).astype(jnp.float32)
    by = jnp.where(positive, gradient, 0.2 * gradient).astype(jnp.float32)
    along = jnp.mean(by * z, (-3, -2), keepdims=True)
    return ((scale * (by - jnp.mean(by, (-3, -2), keepdims=True) - z * along)).astype(y.dtype),)


normalise_and_rectify.defvjp(_normalise_and_rectify, _gradient_of_normalise_and_rectify)


class BatchNorm(nn.Module):
    """Batch normalisation over each image alone, as in training with one image: biased variance.

    Attributes:
        rectify: apply a ReLU "before" or "after" the normalisation, or "never".
        epsilon: added to the variance; PyTorch's default.
    """

    rectify: str
    epsilon: float = 1e-5

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Map (..., ny, nx, channel) to the same shape."""
        scale = self.param("scale", nn.initializers.ones, (x.shape[-1],), jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, (x.shape[-1],), jnp.float32)
        return _batch_norm(x, scale, bias, self.rectify, self.epsilon)


@partial(jax.checkpoint, static_argnums=(3, 4))
def _batch_norm(x: Array, scale: Array, bias: Array, rectify: str, epsilon: float) -> Array:
    z = x.astype(jnp.float32)
    z = jax.nn.relu(z) if rectify == "before" else z
    centred = z - jnp.mean(z, (-3, -2), keepdims=True)
    z = centred * (lax.rsqrt(jnp.mean(centred**2, (-3, -2), keepdims=True) + epsilon) * scale) + bias
    return (jax.nn.relu(z) if rectify == "after" else z).astype(x.dtype)


def average_pool(x: Array) -> Array:
    """Average blocks of 2 x 2 pixels; an odd last row or column is dropped."""
    ny, nx = x.shape[-3] // 2 * 2, x.shape[-2] // 2 * 2
    even, odd = (x[..., rows:ny:2, :nx, :] for rows in (0, 1))
    rows = even + odd
    return (rows[..., 0::2, :] + rows[..., 1::2, :]) / 4
