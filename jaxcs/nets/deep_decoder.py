"""Deep Decoder (Heckel & Hand, "Deep Decoder: Concise Image Representations from Untrained Networks", ICLR 2019)."""

from __future__ import annotations

from flax import linen as nn
from jaxtyping import Array

from jaxcs.nets.conv_decoder import Size, decoder, size_schedule
from jaxcs.nets.layers import BatchNorm, PixelwiseConv
from jaxcs.nets.net import UntrainedNet
from jaxcs.nets.resample import bilinear


def deep_decoder(
    out_size: Size, outputs: int, channels: int = 368, layers: int = 10, in_size: Size = (16, 16), bias: bool = False
) -> UntrainedNet:
    """(*in_size, channels) -> (*out_size, outputs); width and depth are those of Darestani & Heckel's comparison.

    layers: 1 x 1 convolutions of `channels`; all but the last are followed by an up-sampling.

    The paper doubles the size each time, which fits powers of 2 and few layers only: 16 becomes 8192 after nine.  For
    any size of the output the sizes grow here as ConvDecoder's do, geometrically.
    """
    return decoder(DeepDecoder(size_schedule(in_size, out_size, layers), outputs, channels, bias), in_size)


class DeepDecoder(nn.Module):
    """For each size: 1 x 1, bilinear up-sampling, ReLU, normalisation; once more without up-sampling; 1 x 1."""

    sizes: tuple[Size, ...]
    outputs: int
    channels: int
    bias: bool

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """(in_y, in_x, channels) -> (*sizes[-1], outputs)."""
        for layer, size in enumerate([*self.sizes, None]):
            x = PixelwiseConv(self.channels, self.bias, name=f"conv{layer}")(z)
            z = BatchNorm("before", name=f"norm{layer}")(x if size is None else bilinear(x, size))
        return PixelwiseConv(self.outputs, self.bias, name="last")(z)
