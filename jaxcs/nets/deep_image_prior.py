"""The hour-glass of Deep Image Prior (Ulyanov, Vedaldi & Lempitsky, CVPR 2018, arXiv:1711.10925, figure 21).

The sizes come from ConvDecoder's comparison (arXiv:2007.02471): 8 scales, 256 channels, skips of 4 channels at the two
deepest scales, 5 x 5 downwards and 3 x 3 upwards, ReLU, nearest up-sampling, about 31.5 million parameters.  The
comparison leaves these points open, which are settled as follows:

- The input has 256 channels as well (without them the network has 30 million parameters).  All convolutions have a
  bias, as in the original.
- The input has the size of the output.  The end has no sigmoid, because the parts of coil images have either sign.
- An odd size becomes one too large on the way up.  At every scale the last row or column is then dropped, with or
  without a skip.  Each scale thus returns the size that it received, and any output size is possible.
"""

from __future__ import annotations

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from jaxcs.nets.conv_decoder import Size, decoder
from jaxcs.nets.layers import BatchNorm, Conv, PixelwiseConv
from jaxcs.nets.net import UntrainedNet
from jaxcs.nets.resample import nearest


def deep_image_prior(
    out_size: Size, outputs: int, channels: int = 256, skips: tuple[int, ...] = (0, 0, 0, 0, 0, 0, 4, 4)
) -> UntrainedNet:
    """Build the network (*out_size, channels) -> (*out_size, outputs).

    Args:
        out_size: (ny, nx) of input and output [pixels].
        outputs: output channels.
        channels: channels of the input and of all scales.
        skips: channels of the skip at each scale, the finest scale first; the number of entries is the number of
            scales.
    """
    return decoder(HourGlass(outputs, channels, skips), out_size)


class HourGlass(nn.Module):
    """Strided convolutions down, nearest neighbours up, and skips between equal sizes.

    Attributes:
        outputs: output channels.
        channels: channels of all scales.
        skips: channels of the skip at each scale, the finest scale first.
    """

    outputs: int
    channels: int
    skips: tuple[int, ...]

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """Map (ny, nx, inputs) to (ny, nx, outputs)."""

        def rectified(x: Array, name: str) -> Array:
            return BatchNorm("after", name=f"{name}_norm")(x)

        levels = []
        for i, skip in enumerate(self.skips):
            around = PixelwiseConv(skip, name=f"skip{i}")(z) if skip else None
            levels.append((z.shape, None if around is None else rectified(around, f"skip{i}")))
            z = rectified(Conv(self.channels, 5, 2, bias=True, each=True, name=f"halve{i}")(z), f"halve{i}")
            z = rectified(Conv(self.channels, 5, bias=True, each=True, name=f"down{i}")(z), f"down{i}")
        for i, ((ny, nx, _), around) in reversed(list(enumerate(levels))):
            z = nearest(z, (2 * z.shape[0], 2 * z.shape[1]))[:ny, :nx]
            z = z if around is None else jnp.concatenate([around, z], axis=-1)
            z = BatchNorm("never", name=f"joined{i}_norm")(z)
            z = rectified(Conv(self.channels, 3, bias=True, each=True, name=f"up{i}")(z), f"up{i}")
            z = rectified(PixelwiseConv(self.channels, name=f"mix{i}")(z), f"mix{i}")
        return PixelwiseConv(self.outputs, name="last")(z)
