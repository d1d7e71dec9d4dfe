"""The hour-glass of Deep Image Prior (Ulyanov, Vedaldi & Lempitsky, CVPR 2018, arXiv:1711.10925, figure 21).

Sized as in the comparison of ConvDecoder (arXiv:2007.02471): 8 scales, 256 channels, skips of 4 channels at the two
deepest, 5 x 5 downwards and 3 x 3 upwards, ReLU, nearest up-sampling, about 31.5 million parameters.  What that leaves
open is read as follows:

- 256 channels of input as well, without which it is 30 million; biases in all convolutions, as in the original.
- The input has the size of the output, and there is no sigmoid at the end: the parts of coil images have either sign.
- A size that is odd becomes one too many on the way up.  At every scale the last row or column is then dropped, skip
  or no skip, so that each scale gives the size that it got and any size of the output is possible.
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
    """(*out_size, channels) -> (*out_size, outputs).

    skips: channels that go around each scale, the finest first; as many scales as entries.
    """
    return decoder(HourGlass(outputs, channels, skips), out_size)


class HourGlass(nn.Module):
    """Down by strided convolutions, up by nearest neighbours, with skips between equal sizes."""

    outputs: int
    channels: int
    skips: tuple[int, ...]

    @nn.compact
    def __call__(self, z: Array) -> Array:
        """(ny, nx, inputs) -> (ny, nx, outputs)."""

        def rectified(x: Array, name: str) -> Array:
            return BatchNorm("after", name=f"{name}_norm")(x)

        levels = []
        for i, skip in enumerate(self.skips):
            around = PixelwiseConv(skip, name=f"skip{i}")(z) if skip else None
            levels.append((z.shape, None if around is None else rectified(around, f"skip{i}")))
            z = rectified(Conv(self.channels, 5, 2, bias=True, name=f"halve{i}")(z), f"halve{i}")
            z = rectified(Conv(self.channels, 5, bias=True, name=f"down{i}")(z), f"down{i}")
        for i, ((ny, nx, _), around) in reversed(list(enumerate(levels))):
            z = nearest(z, (2 * z.shape[0], 2 * z.shape[1]))[:ny, :nx]
            z = z if around is None else jnp.concatenate([around, z], axis=-1)
            z = BatchNorm("never", name=f"joined{i}_norm")(z)
            z = rectified(Conv(self.channels, 3, bias=True, name=f"up{i}")(z), f"up{i}")
            z = rectified(PixelwiseConv(self.channels, name=f"mix{i}")(z), f"mix{i}")
        return PixelwiseConv(self.outputs, name="last")(z)
