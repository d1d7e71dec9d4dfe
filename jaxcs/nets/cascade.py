"""The deep cascade for one coil (Schlemper et al., IPMI 2017, arXiv:1703.00555), whose D5-C5 has published weights.

The published code transforms images without shifts and shifts its masks to match.  The code here needs no such shifts:
the centred transform is the plain transform with image and k-space rolled.  The two k-spaces differ by a phase of each
sample and by the order of samples.  The replacement of samples commutes with both, so the networks agree from image to
image.
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
    """Build the network (kspace (ny, nx), mask) -> complex image (ny, nx), which agrees with all measured samples.

    The network has no normalisation, so the scale of the image matters: the published weights are for a peak magnitude
    near 1.

    Args:
        cascades: number of cascades: each is a network with a residual connection, followed by hard data consistency.
        layers: number of 3 x 3 convolutions with bias in each network, with a ReLU between them.
        channels: channels between the layers.  The first layer reads real and imaginary part, and the last layer gives
            them.
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
    """He et al.'s initialisation (ICCV 2015): normal kernels of variance 2 / fan in, and biases of 0."""
    kernel = jax.random.normal(key, (3, 3, inputs, outputs), jnp.float32) * (2 / (9 * inputs)) ** 0.5
    return {"kernel": kernel, "bias": jnp.zeros(outputs, jnp.float32)}


def _correction(layers: list[Params], image: Image) -> Image:
    """The network's correction of the image."""
    x = jnp.stack([jnp.real(image), jnp.imag(image)], axis=-1).astype(layers[0]["kernel"].dtype)
    for i, layer in enumerate(layers):
        x = convolve(x if i == 0 else jax.nn.relu(x), layer["kernel"]) + layer["bias"]
    x = x.astype(jnp.real(image).dtype)
    return lax.complex(x[..., 0], x[..., 1])
