"""FBPConvNet: a network after filtered back-projection of few views (Jin et al., IEEE TIP 26:4509, 2017).

Ell50 and Med50 of Antun et al. (PNAS 117:30088, 2020) are this method for 50 views of 512 x 512 pixels, trained on
ellipses and on thoraxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.nets.fbpconvnet import fbpconvnet
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.recon.checks import check_at_least, check_choice, sinogram_checked
from jaxcs.recon.method import Method
from jaxcs.types import Key, Magnitude, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """The network.

    Attributes:
        channels: channels of the network's first level.
        levels: levels below the first.  The image's sides must be multiples of 2^levels.
        scale: "peak" gives the network the image of filtered back-projection with its largest magnitude set to `peak`,
            so that the method is scale-equivariant.  "given" leaves the image as it is.
        peak: largest magnitude of the network's input, for the scale "peak".
    """

    channels: int = 64
    levels: int = 4
    scale: Literal["peak", "given"] = "peak"
    peak: int = 1

    def __post_init__(self) -> None:
        for name in ("channels", "levels"):
            check_at_least(name, getattr(self, name), 1)
        check_choice("scale", self.scale, ("peak", "given"))
        if not self.peak > 0:
            raise ValueError(f"peak is {self.peak:g}; it must be positive")


PRESETS = {
    # The published images lie in [-500, 500].
    "paper": Config(peak=500),
    # Networks that train in minutes on two CPU cores, for 128 x 128 pixels.
    "small": Config(12),
    "tiny": Config(7),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the network of the image of filtered back-projection; its image may be negative."""
    net = fbpconvnet(config.channels, config.levels)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del key
        x, scale = network_input(config, measurement)
        return net.apply(params, x) * scale

    return Reconstructor(net.init, jax.jit(sinogram_checked(apply, trained=True)))


def network_input(config: Config, measurement: Measurement) -> tuple[Float[Array, "size size"], Float[Array, ""]]:
    """Compute the network's input, and the number by which its output is multiplied.

    A sinogram of zeros has the scale 0, and hence an image of zeros.

    Returns:
        The scaled image of filtered back-projection (size, size), and the scale ().
    """
    image = ParallelBeam(measurement.maps, measurement.mask).fbp(measurement.kspace)
    if config.scale == "given":
        return image, jnp.ones((), image.dtype)
    size = jnp.abs(image).ravel()
    scale = size[jnp.argmax(size)] / config.peak
    return image / jnp.where(scale > 0, scale, 1.0), scale


METHOD = Method(Config, build, PRESETS, trained=True, uses_maps=lambda config: False)
