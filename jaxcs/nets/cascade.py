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
from jaxcs.nets.net import Net
from jaxcs.nets.residual import residual_cnn
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
    network = residual_cnn(layers, channels)

    def init(key: Key) -> Params:
        return jax.vmap(network.init)(jax.random.split(key, cascades))

    def apply(params: Params, kspace: Complex[Array, "ny nx"], mask: Mask) -> Image:
        measured = jnp.where(mask, kspace, 0)

        def cascade(image: Array, weights: Params) -> tuple[Array, None]:
            refined = image + network.apply(weights, image)
            return ifft2c(jnp.where(mask, measured, fft2c(refined))), None

        return lax.scan(cascade, ifft2c(measured), params)[0]

    return Net(init, apply)
