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
    """Build the network (*in_size, channels) -> (*out_size, outputs).

    The default width and depth come from Darestani & Heckel's comparison.  The paper doubles the size each time, which
    fits only powers of 2 and few layers: 16 becomes 8192 after nine.  For any output size the sizes here grow
    geometrically, as ConvDecoder's do.

    Args:
        out_size: (ny, nx) of the output [pixels].
        outputs: output channels.
        channels: channels of the hidden layers.
        layers: number of 1 x 1 convolutions; all but the last are followed by an up-sampling.
        in_size: (ny, nx) of the input [pixels].
        bias: whether all convolutions have a bias.
    """
    return decoder(DeepDecoder(size_schedule(in_size, out_size, layers), outputs, channels, bias), in_size)


class DeepDecoder(nn.Module):
    """The layers: 1 x 1, bilinear up-sampling, ReLU, normalisation for each size; without up-sampling; a last 1 x 1.

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
        for layer, size in enumerate([*self.sizes, None]):
            x = PixelwiseConv(self.channels, self.bias, name=f"conv{layer}")(z)
            z = BatchNorm("before", name=f"norm{layer}")(x if size is None else bilinear(x, size))
        return PixelwiseConv(self.outputs, self.bias, name="last")(z)
