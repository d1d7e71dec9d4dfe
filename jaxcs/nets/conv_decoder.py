"""ConvDecoder (Darestani & Heckel, "Accelerated MRI with Un-trained Neural Networks", 2020, arXiv:2007.02471)."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from jaxcs.nets.layers import BatchNorm, Conv, PixelwiseConv
from jaxcs.nets.net import UntrainedNet
from jaxcs.nets.resample import nearest
from jaxcs.types import Key

Size = tuple[int, int]


def conv_decoder(
    out_size: Size, outputs: int, channels: int = 160, layers: int = 8, in_size: Size = (8, 4), bias: bool = False
) -> UntrainedNet:
    """(*in_size, channels) -> (*out_size, outputs), by default as published for fastMRI's knees.

    outputs: real and imaginary part of each coil image.
    layers: 3 x 3 convolutions; all but the last follow an up-sampling to the sizes of `size_schedule`.
    bias: of all convolutions, the last 1 x 1 too.
    """
    return decoder(ConvDecoder(size_schedule(in_size, out_size, layers), outputs, channels, bias), in_size)


def size_schedule(in_size: Size, out_size: Size, layers: int) -> tuple[Size, ...]:
    """The sizes after each of the layers - 1 up-samplings: ceil(in s^n) with s^(layers - 1) = out / in, then out.

    Computed in floating point in the published order of operations, so that a ceiling never differs by rounding.
    """
    if layers < 2:
        raise ValueError(f"a decoder has at least 2 layers, not {layers}")
    scales = [(after / before) ** (1.0 / (layers - 1)) for before, after in zip(in_size, out_size, strict=True)]
    hidden = [
        tuple(math.ceil(scale**n * before) for scale, before in zip(scales, in_size, strict=True))
        for n in range(1, layers - 1)
    ]
    return (*((ny, nx) for ny, nx in hidden), out_size)


def decoder(module: nn.Module, in_size: Size) -> UntrainedNet:
    """What fits a flax module with `channels` to an input of that size and as many channels."""
    shape = (*in_size, module.channels)

    def init(key: Key) -> dict[str, Array]:
        # Lazily: what the network makes of its input is not computed.
        return module.lazy_init(key, jax.ShapeDtypeStruct(shape, jnp.float32))["params"]

    def apply(params: dict[str, Array], z: Array) -> Array:
        y: Array = module.apply({"params": params}, z)  # type: ignore[assignment]
        return y

    return UntrainedNet(init, apply, lambda key: jax.random.uniform(key, shape, jnp.float32))


class ConvDecoder(nn.Module):
    """For each size: up-sampling, convolution, ReLU, normalisation; once more without up-sampling; 1 x 1."""

    sizes: tuple[Size, ...]
    outputs: int
    channels: int
    bias: bool

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """(in_y, in_x, channels) -> (*sizes[-1], outputs)."""
        for layer, size in enumerate([*self.sizes, self.sizes[-1]]):
            x = Conv(self.channels, bias=self.bias, name=f"conv{layer}")(nearest(z, size))
            z = BatchNorm("before", name=f"norm{layer}")(x)
        return PixelwiseConv(self.outputs, self.bias, name="last")(z)
