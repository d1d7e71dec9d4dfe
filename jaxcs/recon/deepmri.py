"""The deep cascade of Schlemper et al. (IPMI 2017), for a single coil: "DeepMRI", D5-C5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import jax.numpy as jnp

from jaxcs.complex import magnitude
from jaxcs.fourier import ifft2c
from jaxcs.nets.cascade import deep_cascade
from jaxcs.nets.net import Net
from jaxcs.recon.checks import check_at_least, check_choice, check_one_coil
from jaxcs.recon.predicted import method, reconstructor
from jaxcs.recon.scale import peak
from jaxcs.types import Image, Measurement, Params, Predict, Prediction, Reconstructor

# The network takes no coil maps as an input.
NEEDS_MAPS = False


@dataclass(frozen=True)
class Config:
    """The network.

    Attributes:
        cascades: number of cascades: a network, then hard data consistency.
        layers: convolutions of each network, at least 2.
        channels: channels between the convolutions.
        scale: "peak" divides the zero-filled image by its peak, for the network alone.  "given" does not.
    """

    cascades: int = 5
    layers: int = 5
    channels: int = 64
    scale: Literal["peak", "given"] = "peak"

    def __post_init__(self) -> None:
        check_at_least("cascades", self.cascades, 1)
        check_at_least("layers", self.layers, 2)
        check_at_least("channels", self.channels, 1)
        check_choice("scale", self.scale, ("peak", "given"))


PRESETS = {
    # The published D5-C5, whose weights `jaxcs.weights.deepmri` imports.
    "paper": Config(),
    # A network that trains in minutes on two CPU cores.
    "small": Config(5, 3, 16),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the magnitude of the network's image, in the units of the measurement."""
    return reconstructor(_net(config).init, predict(config), needs_maps=NEEDS_MAPS)


def predict(config: Config) -> Predict:
    """Build the function that gives the magnitude of the image, and the image as that of the single coil."""
    complex_image = build_complex(config)

    def of(params: Params, measurement: Measurement) -> Prediction:
        image = complex_image(params, measurement)
        return Prediction(magnitude(image), image[None])

    return of


def build_complex(config: Config) -> Callable[[Params, Measurement], Image]:
    """Build the function that gives the network's complex image, in the units of the measurement.

    The function raises ValueError if the measurement has several coils.  Coils have to be combined before, and the map
    of a combined coil is 1.
    """
    net = _net(config)

    def of(params: Params, measurement: Measurement) -> Image:
        kspace, mask, _ = measurement
        check_one_coil(kspace)
        size = peak(ifft2c(jnp.where(mask, kspace[0], 0))) if config.scale == "peak" else 1.0
        return size * net.apply(params, kspace[0] / size, mask)

    return of


def _net(config: Config) -> Net:
    return deep_cascade(config.cascades, config.layers, config.channels)


METHOD = method(Config, build, PRESETS, predict, needs_maps=NEEDS_MAPS)._replace(one_coil=True)
