"""A small convolutional network on complex images, which gives a correction of its input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Complex

from jaxcs.nets.convolution import convolve
from jaxcs.nets.net import Net
from jaxcs.types import Image, Key, Params


def residual_cnn(layers: int, channels: int) -> Net:
    """Build the network: complex image (ny, nx) -> its correction (ny, nx).

    Args:
        layers: number of 3 x 3 convolutions with bias, with a ReLU between them.
        channels: channels between the layers.  The first layer reads real and imaginary part, and the last layer gives
            them.
    """
    widths = [2, *[channels] * (layers - 1), 2]

    def init(key: Key) -> Params:
        keys = jax.random.split(key, layers)
        return {f"layer{i}": _layer(keys[i], widths[i], widths[i + 1]) for i in range(layers)}

    def apply(params: Params, image: Image) -> Complex[Array, "ny nx"]:
        kernels = [params[f"layer{i}"] for i in range(layers)]
        x = jnp.stack([jnp.real(image), jnp.imag(image)], axis=-1).astype(kernels[0]["kernel"].dtype)
        for i, layer in enumerate(kernels):
            x = convolve(x if i == 0 else jax.nn.relu(x), layer["kernel"]) + layer["bias"]
        x = x.astype(jnp.real(image).dtype)
        return lax.complex(x[..., 0], x[..., 1])

    return Net(init, apply)


def _layer(key: Key, inputs: int, outputs: int) -> Params:
    """He et al.'s initialisation (ICCV 2015): normal kernels of variance 2 / fan in, and biases of 0."""
    kernel = jax.random.normal(key, (3, 3, inputs, outputs), jnp.float32) * (2 / (9 * inputs)) ** 0.5
    return {"kernel": kernel, "bias": jnp.zeros(outputs, jnp.float32)}
