"""A score network: a denoiser of complex images at any noise level (Karras et al., NeurIPS 2022, arXiv:2206.00364).

The noise has the standard deviation sigma in each of the two parts of a pixel, and images the standard deviation
SIGMA_DATA.  The network F is a part of the denoiser

    D(x; sigma) = skip x + out F(x / root, ln(sigma) / 4),
    root = sqrt(sigma^2 + SIGMA_DATA^2),   skip = (SIGMA_DATA / root)^2,   out = sigma SIGMA_DATA / root,

so that input and target of F have unit variance at every sigma (table 1 of the paper).  (D(x; sigma) - x) / sigma^2
is the score: the gradient of the logarithm of the noisy images' density.

The network also learns how far it is from the image at each noise level, as a variance relative to out^2 (Karras et
al., CVPR 2024, arXiv:2312.02696, equation 14).  It is 1 for Gaussian images, of which D knows nothing but the variance.

F is a small U-Net of residual blocks without normalisation.  It works on blocks of 2 x 2 pixels, as FFDNet does (Zhang,
Zuo & Zhang, IEEE Trans. Image Process. 27:4608, 2018): a quarter of the time, and it sees twice as far.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Complex, Float

from jaxcs.complex import abs2
from jaxcs.nets.layers import Conv, PixelwiseConv, UpConv, average_pool
from jaxcs.types import Image, Key, Params

# Standard deviation of each part of an image whose largest magnitude is 1.  Phantom knees have 0.25 to 0.26.
SIGMA_DATA = 0.25
# Mean and spread of ln(sigma) in training.  The paper has -1.2 and 1.2 for images with a standard deviation of 0.5.
_LOG_MEAN, _LOG_SPREAD = -2.0, 1.4
# Numbers that tell the network the noise level, before and after one layer.
_WAVES, _FEATURES = 4, 32


class Denoised(NamedTuple):
    """A denoised image.

    Attributes:
        mean: (ny, nx) complex image, the mean of the clean images that the noisy image may come from.
        spread: () their standard deviation about the mean, in each of the two parts of a pixel, as learned.
    """

    mean: Complex[Array, "ny nx"]
    spread: Float[Array, ""]


class ScoreNet(NamedTuple):
    """The network as two pure functions.

    Attributes:
        init: key -> parameters, a dict of dicts of arrays, float32.
        apply: (parameters, noisy image (ny, nx), sigma) -> denoised image, for ny, nx of at least 2^levels.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Image, Array], Denoised]


class Preconditioning(NamedTuple):
    """The factors of the denoiser at a noise level.

    Attributes:
        root: divisor of the network's input.
        skip: share of the noisy image in the denoised image.
        out: factor of the network's output, the spread of Gaussian images about their denoised ones.
    """

    root: Array
    skip: Array
    out: Array


def preconditioning(sigma: Float[Array, ""]) -> Preconditioning:
    """Compute the factors at the noise level `sigma`."""
    root = jnp.sqrt(sigma**2 + SIGMA_DATA**2)
    return Preconditioning(root, (SIGMA_DATA / root) ** 2, sigma * SIGMA_DATA / root)


def score_net(channels: int, levels: int) -> ScoreNet:
    """Build the denoiser.

    Args:
        channels: channels of the first level; each level below has half as many again.
        levels: number of levels, each of half the size.
    """
    module = _ScoreUnet(channels, levels)

    def init(key: Key) -> Params:
        return jax.jit(module.init)(key, jnp.zeros((2**levels, 2**levels, 2), jnp.float32), jnp.float32(0))["params"]

    def apply(params: Params, image: Image, sigma: Float[Array, ""]) -> Denoised:
        root, skip, out = preconditioning(sigma)
        parts = jnp.stack([jnp.real(image), jnp.imag(image)], axis=-1)
        result: Any = module.apply({"params": params}, parts / root, jnp.log(sigma) / 4)
        found, log_variance = (array.astype(parts.dtype) for array in result)
        found = skip * parts + out * found
        return Denoised(lax.complex(found[..., 0], found[..., 1]), out * jnp.exp(log_variance / 2))

    return ScoreNet(init, apply)


def matching_loss(net: ScoreNet, params: Params, image: Image, key: Key) -> Float[Array, ""]:
    """Compute the loss of denoising score matching at a random noise level.

    Args:
        net: the network.
        params: its parameters.
        image: (ny, nx) complex image with a largest magnitude near 1.
        key: draws the noise level and the noise.

    Returns:
        e / s^2 + ln(s^2 / out^2), with s for the learned spread and e for the mean of |D(x; sigma) - image|^2 over the
        parts of all pixels.  It is 1 for a network that knows nothing but the images' variance.
    """
    level_key, noise_key = jax.random.split(key)
    sigma = jnp.exp(_LOG_MEAN + _LOG_SPREAD * jax.random.normal(level_key, dtype=jnp.float32))
    mean, spread = net.apply(params, image + sigma * complex_noise(noise_key, image.shape), sigma)
    error = jnp.mean(abs2(mean - image)) / 2
    return error / spread**2 + 2 * jnp.log(spread / preconditioning(sigma).out)


def complex_noise(key: Key, shape: tuple[int, ...]) -> Complex[Array, "..."]:
    """Draw Gaussian noise of variance 1 in each of the two parts, complex64."""
    parts = jax.random.normal(key, (2, *shape), jnp.float32)
    return lax.complex(parts[0], parts[1])


class _Block(nn.Module):
    """Two 3 x 3 convolutions, whose output is added to the input; the noise level scales and shifts between them."""

    features: int

    @nn.compact
    def __call__(self, x: Array, level: Array) -> Array:
        y = Conv(self.features, bias=True, name="first")(jax.nn.silu(x))
        scale, shift = jnp.split(PixelwiseConv(2 * self.features, name="level")(level), 2, axis=-1)
        y = y * (1 + scale) + shift
        return x + Conv(self.features, bias=True, name="second")(jax.nn.silu(y))


class _ScoreUnet(nn.Module):
    """The network F."""

    channels: int
    levels: int

    @nn.compact
    def __call__(self, x: Array, noise: Array) -> tuple[Array, Array]:
        """Map (ny, nx, 2) and ln(sigma) / 4 to (ny, nx, 2), and the logarithm of the relative variance ()."""
        ny, nx = x.shape[-3:-1]
        angles = np.pi * np.arange(1, _WAVES + 1, dtype=np.float32) * noise
        waves = jnp.concatenate([jnp.sin(angles), jnp.cos(angles)])
        level = jax.nn.silu(PixelwiseConv(_FEATURES, name="noise")(waves))
        x = _to_blocks(jnp.pad(x, [(0, ny % 2), (0, nx % 2), (0, 0)]))
        widths = [round(self.channels * 1.5**at) for at in range(self.levels)]
        x = Conv(widths[0], bias=True, name="begin")(x)
        skips = []
        for at, width in enumerate(widths[:-1]):
            x = _Block(width, name=f"down{at}")(x, level)
            skips.append(x)
            x = PixelwiseConv(widths[at + 1], name=f"wider{at}")(average_pool(x))
        x = _Block(widths[-1], name="bottom")(x, level)
        for at, skip in reversed(list(enumerate(skips))):
            x = UpConv(widths[at], name=f"raise{at}")(x)
            # Pooling dropped an odd last row or column.
            x = skip + jnp.pad(x, [(0, a - b) for a, b in zip(skip.shape, x.shape, strict=True)], "edge")
            x = _Block(widths[at], name=f"up{at}")(x, level)
        image = _from_blocks(Conv(8, bias=True, name="end")(jax.nn.silu(x)))[:ny, :nx]
        return image, PixelwiseConv(1, name="variance")(level)[0]


def _to_blocks(x: Array) -> Array:
    """Make the pixels of each 2 x 2 block channels: (ny, nx, c) to (ny / 2, nx / 2, 4 c)."""
    ny, nx, channels = x.shape
    return x.reshape(ny // 2, 2, nx // 2, 2, channels).swapaxes(1, 2).reshape(ny // 2, nx // 2, -1)


def _from_blocks(x: Array) -> Array:
    """Invert `_to_blocks`."""
    ny, nx, channels = x.shape
    return x.reshape(ny, nx, 2, 2, channels // 4).swapaxes(1, 2).reshape(2 * ny, 2 * nx, -1)
