"""The variational network of Hammernik et al. (2018), which uses coil sensitivity maps from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from jaxcs.complex import magnitude
from jaxcs.nets.mri_vn import Padding, mri_vn
from jaxcs.nets.net import Net
from jaxcs.operators import Sense
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.recon.predicted import method, reconstructor
from jaxcs.recon.scale import peak
from jaxcs.types import Image, Measurement, Params, Predict, Prediction, Reconstructor

# The network takes coil maps as an input.
NEEDS_MAPS = True


@dataclass(frozen=True)
class Config:
    """The network.

    Attributes:
        stages: number of stages.
        filters: filters of each stage.
        size: side of the filters, an odd number [pixels].
        gaussians: number of Gaussians of each activation.
        padding: how the image is continued beyond its border, "symmetric" or "reflect".
        constrained: whether filters have zero mean and a norm of at most 1, and the weights of the data are at least 0.
        scale: "peak" divides the zero-filled image by its peak, for the network alone.  "given" does not.
    """

    stages: int = 10
    filters: int = 24
    size: int = 11
    gaussians: int = 31
    padding: Padding = "symmetric"
    constrained: bool = True
    scale: Literal["peak", "given"] = "peak"

    def __post_init__(self) -> None:
        check_at_least("stages", self.stages, 1)
        check_at_least("filters", self.filters, 1)
        check_at_least("size", self.size, 1)
        check_at_least("gaussians", self.gaussians, 2)
        check_choice("padding", self.padding, get_args(Padding))
        check_choice("scale", self.scale, ("peak", "given"))
        if self.size % 2 == 0:
            raise ValueError(f"size is {self.size}; it must be odd")


PRESETS = {
    # The network of the published code.  The paper has 48 filters.
    "paper": Config(),
    # The third-party weights that `jaxcs.weights.mri_vn` imports.
    "rixez": Config(filters=48, padding="reflect", constrained=False),
    # A network that trains in minutes on two CPU cores.
    "small": Config(stages=5, filters=12, size=7),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the magnitude of the network's image, in the units of the measurement."""
    return reconstructor(_net(config).init, predict(config), needs_maps=NEEDS_MAPS)


def predict(config: Config) -> Predict:
    """Build the function that gives the magnitude of the image, and the coil images: the image times the maps."""
    complex_image = build_complex(config)

    def of(params: Params, measurement: Measurement) -> Prediction:
        image = complex_image(params, measurement)
        return Prediction(magnitude(image), measurement.maps * image)

    return of


def build_complex(config: Config) -> Callable[[Params, Measurement], Image]:
    """Build the function that gives the network's complex image, in the units of the measurement."""
    net = _net(config)

    def of(params: Params, measurement: Measurement) -> Image:
        kspace, mask, maps = measurement
        size = peak(Sense(maps, mask).adjoint(kspace)) if config.scale == "peak" else 1.0
        return size * net.apply(params, kspace / size, mask, maps)

    return of


def _net(config: Config) -> Net:
    return mri_vn(config.stages, config.filters, config.size, config.gaussians, config.padding, config.constrained)


METHOD = method(Config, build, PRESETS, predict, needs_maps=NEEDS_MAPS)
