"""The end-to-end variational network (Sriram et al., MICCAI 2020); it estimates its own coil sensitivity maps."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcs.complex import root_sum_of_squares
from jaxcs.nets.net import Net
from jaxcs.nets.varnet import varnet_coils
from jaxcs.recon.checks import check_at_least
from jaxcs.recon.predicted import method, reconstructor
from jaxcs.types import Measurement, Params, Predict, Prediction, Reconstructor

# The network takes no coil maps as an input.
NEEDS_MAPS = False


@dataclass(frozen=True)
class Config:
    """The network.

    Attributes:
        cascades: number of refinements.
        channels: channels at the first level of each refinement's U-Net.
        pools: levels below the first of each refinement's U-Net.
        sens_channels: channels at the first level of the U-Net that estimates the coil sensitivity maps.
        sens_pools: levels below the first of the U-Net that estimates the coil sensitivity maps.
        centre: number of columns from which the maps are estimated, fastMRI's num_low_frequencies; 0 takes the mask's
            fully sampled centre.
    """

    cascades: int = 12
    channels: int = 18
    pools: int = 4
    sens_channels: int = 8
    sens_pools: int = 4
    centre: int = 0

    def __post_init__(self) -> None:
        for name in ("cascades", "channels", "pools", "sens_channels", "sens_pools"):
            check_at_least(name, getattr(self, name), 1)
        check_at_least("centre", self.centre, 0)


# Table 1 of the ICML 2021 paper.
PRESETS = {
    "v1": Config(),
    "v2": Config(12, 9, 4, 4, 4),
    "v3": Config(6, 9, 4, 4, 4),
    "v4": Config(12, 4, 4, 2, 4),
    "v5": Config(6, 4, 4, 2, 4),
    # The half-width network of Morshuis et al. 2022.
    "half": Config(8, 9, 4, 6, 4),
    # The shipped network, which trains in minutes on two CPU cores.
    "small": Config(4, 8, 3, 4, 3),
}


def build(config: Config) -> Reconstructor:
    """Build the method: root sum of squares of the coil images after the last cascade, without `measurement.maps`."""
    return reconstructor(_net(config).init, predict(config), needs_maps=NEEDS_MAPS)


def predict(config: Config) -> Predict:
    """Build the function that gives the image and the coil images of the last cascade, which it combines."""
    net = _net(config)

    def of(params: Params, measurement: Measurement) -> Prediction:
        coils = net.apply(params, measurement.kspace, measurement.mask)
        return Prediction(root_sum_of_squares(coils), coils)

    return of


def _net(config: Config) -> Net:
    return varnet_coils(
        config.cascades, config.channels, config.pools, config.sens_channels, config.sens_pools, config.centre
    )


METHOD = method(Config, build, PRESETS, predict, needs_maps=NEEDS_MAPS)
