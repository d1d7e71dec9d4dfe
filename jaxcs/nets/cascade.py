"""The deep cascade for one coil (Schlemper et al., IPMI 2017, arXiv:1703.00555), whose D5-C5 has published weights.

The published code transforms images without shifts and shifts its masks to match.  Nothing here needs that: the
centred transform is the plain one with image and k-space rolled, so that in k-space the two differ by a phase of each
sample and by the samples' order, and replacing samples commutes with both.  Image in, image out, the networks agree.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex

from jaxcs.fourier import fft2c, ifft2c
from jaxcs.nets.convolution import convolve
from jaxcs.nets.net import Net
from jaxcs.types import Image, Key, Mask, Params


def deep_cascade(cascades: int = 5, layers: int = 5, channels: int = 64) -> Net:
    """(kspace (ny, nx), mask) -> complex image (ny, nx), whose k-space is the measured one at every sample.

    cascades: of a network with a residual connection, each followed by hard data consistency.
    layers: 3 x 3 convolutions with bias in each network, ReLU between them.
    channels: between the layers; the first layer reads, and the last gives, real and imaginary part.

    There is no normalisation, so the image's scale matters: the published weights are for a peak magnitude near 1.
    """
    widths = [2, *[channels] * (layers - 1), 2]

    def init(key: Key) -> Params:
        def one(key: Key) -> Params:
            keys = jax.random.split(key, layers)
            return {f"layer{i}": _layer(keys[i], widths[i], widths[i + 1]) for i in range(layers)}

        return jax.vmap(one)(jax.random.split(key, cascades))

    def apply(params: Params, kspace: Complex[Array, "ny nx"], mask: Mask) -> Image:
        measured = jnp.where(mask, kspace, 0)

        def cascade(image: Array, network: Params) -> tuple[Array, None]:
            refined = image + _correction([network[f"layer{i}"] for i in range(layers)], image)
            return ifft2c(jnp.where(mask, measured, fft2c(refined))), None

        return lax.scan(cascade, ifft2c(measured), params)[0]

    return Net(init, apply)


def _layer(key: Key, inputs: int, outputs: int) -> Params:
    """He et al.'s initialisation (ICCV 2015): normal kernels of variance 2 / fan in, biases 0."""
    kernel = jax.random.normal(key, (3, 3, inputs, outputs), jnp.float32) * (2 / (9 * inputs)) ** 0.5
    return {"kernel": kernel, "bias": jnp.zeros(outputs, jnp.float32)}


def _correction(layers: list[Params], image: Image) -> Image:
    """What the network adds to the image."""
    x = jnp.stack([jnp.real(image), jnp.imag(image)], axis=-1).astype(layers[0]["kernel"].dtype)
    for i, layer in enumerate(layers):
        x = convolve(x if i == 0 else jax.nn.relu(x), layer["kernel"]) + layer["bias"]
    x = x.astype(jnp.real(image).dtype)
    return lax.complex(x[..., 0], x[..., 1])
