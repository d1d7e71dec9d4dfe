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
    """Build the network (*in_size, channels) -> (*out_size, outputs).

    The defaults are those published for fastMRI's knees.

    Args:
        out_size: (ny, nx) of the output [pixels].
        outputs: output channels: real and imaginary part of each coil image.
        channels: channels of the hidden layers.
        layers: number of 3 x 3 convolutions; all but the last follow an up-sampling to the sizes of `size_schedule`.
        in_size: (ny, nx) of the input [pixels].
        bias: whether all convolutions have a bias, including the last 1 x 1.
    """
    return decoder(ConvDecoder(size_schedule(in_size, out_size, layers), outputs, channels, bias), in_size)


def size_schedule(in_size: Size, out_size: Size, layers: int) -> tuple[Size, ...]:
    """Compute the sizes after each of the layers - 1 up-samplings.

    The sizes are ceil(in s^n) with s^(layers - 1) = out / in, and finally out.  The order of floating-point operations
    is the published order, so a ceiling never differs by rounding.

    Args:
        in_size: (ny, nx) of the input [pixels].
        out_size: (ny, nx) of the output [pixels].
        layers: number of layers.

    Raises:
        ValueError: If `layers` is below 2.
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
    """Make an `UntrainedNet` of a flax module, with an input (*in_size, module.channels)."""
    shape = (*in_size, module.channels)

    def init(key: Key) -> dict[str, Array]:
        # The lazy initialisation does not compute the output of the network.
        return module.lazy_init(key, jax.ShapeDtypeStruct(shape, jnp.float32))["params"]

    def apply(params: dict[str, Array], z: Array) -> Array:
        y: Array = module.apply({"params": params}, z)  # type: ignore[assignment]
        return y

    return UntrainedNet(init, apply, lambda key: jax.random.uniform(key, shape, jnp.float32))


class ConvDecoder(nn.Module):
    """The layers: up-sampling, convolution, ReLU, normalisation for each size; the same without up-sampling; a 1 x 1.

    Attributes:
        sizes: (ny, nx) after each up-sampling [pixels].
        outputs: output channels.
        channels: channels of the hidden layers.
        bias: whether all convolutions have a bias.
    """

    sizes: tuple[Size, ...]
    outputs: int
    channels: int
    bias: bool

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """Map (in_y, in_x, channels) to (*sizes[-1], outputs)."""
        for layer, size in enumerate([*self.sizes, self.sizes[-1]]):
            x = Conv(self.channels, bias=self.bias, each=True, name=f"conv{layer}")(nearest(z, size))
            z = BatchNorm("before", name=f"norm{layer}")(x)
        return PixelwiseConv(self.outputs, self.bias, name="last")(z)
