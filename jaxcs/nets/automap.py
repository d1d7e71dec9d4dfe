"""AUTOMAP (Zhu et al., Nature 555:487, 2018), as in the published code of Antun et al. (PNAS 2020).

Two dense layers make an image of the samples, and three convolutions refine it:

    samples -> dense, tanh -> dense -> minus its mean -> image, continued by 4 mirrored pixels
            -> 5 x 5, tanh -> 5 x 5, ReLU ("codes") -> 7 x 7 -> without the continuation.

The last layer is a transposed convolution in the published code, which is a convolution with the mirrored kernel.

The network is for real images.  The mask and the order of the samples are part of its weights.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.nets.convolution import convolve
from jaxcs.nets.layers import torch_uniform
from jaxcs.nets.net import Net
from jaxcs.types import Key, Params

Mean = Literal["data", "free"]
Samples = Float[Array, "twice_samples"]
_MARGIN = 4
_PENALTY = 1e-4


def automap(side: int, samples: int, hidden: int, channels: int, mean: Mean = "data") -> Net:
    """Build the network (samples (2 samples,)) -> real image (side, side).

    Args:
        side: rows and columns of the image.
        samples: number of complex samples.  The input has their real parts, then their imaginary parts, of unitary
            k-space; the zero frequency comes first.
        hidden: outputs of the first dense layer.
        channels: channels between the convolutions.
        mean: "data" takes the image's mean from the zero frequency.  "free" leaves it to the convolutions, as
            published, although the network cannot know it.
    """

    def init(key: Key) -> Params:
        keys = jax.random.split(key, 5)
        return {
            "dense1": _dense(keys[0], 2 * samples, hidden),
            "dense2": _dense(keys[1], hidden, side**2),
            "conv1": _convolution(keys[2], 5, 1, channels),
            "conv2": _convolution(keys[3], 5, channels, channels),
            "last": _convolution(keys[4], 7, channels, 1),
        }

    return Net(init, lambda params, values: image_and_codes(params, values, side, mean)[0])


def image_and_codes(
    params: Params, samples: Samples, side: int, mean: Mean
) -> tuple[Float[Array, "side side"], Float[Array, "wide wide channel"]]:
    """Compute the image (side, side) of `automap`, and the codes (side + 8, side + 8, channel) for its penalty."""
    dtype = samples.dtype
    hidden = jnp.tanh(_affine(params["dense1"], samples))
    flat = _affine(params["dense2"], hidden).astype(dtype)
    image = (flat - jnp.mean(flat)).reshape(side, side, 1)
    x = jnp.pad(image, ((_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)), mode="symmetric")
    x = jnp.tanh(_convolved(params["conv1"], x))
    codes = jax.nn.relu(_convolved(params["conv2"], x))
    wide = _convolved(params["last"], codes)[..., 0].astype(dtype)
    image = wide[_MARGIN : _MARGIN + side, _MARGIN : _MARGIN + side]
    if mean == "data":
        image = image - jnp.mean(image) + samples[0] / side
    return image, codes.astype(dtype)


def training_loss(image: Array, codes: Array, target: Array, zero_mean: bool) -> Float[Array, ""]:
    """Compute the published loss: the sum of squared differences, plus 1e-4 times the sum of |codes|.

    Args:
        image: (side, side), from `image_and_codes`.
        codes: (side + 8, side + 8, channel), from `image_and_codes`.
        target: (side, side) true image.
        zero_mean: compare images without their means, as the published code does and its paper does not say.
    """
    difference = image - target
    if zero_mean:
        difference = difference - jnp.mean(difference)
    return jnp.sum(difference**2) + _PENALTY * jnp.sum(jnp.abs(codes))


def _dense(key: Key, inputs: int, outputs: int) -> Params:
    return {"kernel": torch_uniform(inputs)(key, (inputs, outputs)), "bias": jnp.zeros(outputs, jnp.float32)}


def _convolution(key: Key, size: int, inputs: int, outputs: int) -> Params:
    """Glorot & Bengio's initialisation (AISTATS 2010), uniform, and biases of 0."""
    bound = (6 / (size**2 * (inputs + outputs))) ** 0.5
    kernel = jax.random.uniform(key, (size, size, inputs, outputs), jnp.float32, -bound, bound)
    return {"kernel": kernel, "bias": jnp.zeros(outputs, jnp.float32)}


def _affine(layer: Params, x: Array) -> Array:
    return x.astype(layer["kernel"].dtype) @ layer["kernel"] + layer["bias"]


def _convolved(layer: Params, x: Array) -> Array:
    return convolve(x.astype(layer["kernel"].dtype), layer["kernel"]) + layer["bias"]
