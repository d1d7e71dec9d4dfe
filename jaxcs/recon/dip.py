"""Deep Image Prior, an un-trained hour-glass network (Ulyanov et al., CVPR 2018)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcs.nets.deep_image_prior import deep_image_prior
from jaxcs.nets.net import UntrainedNet
from jaxcs.recon import untrained
from jaxcs.recon.checks import check_at_least


@dataclass(frozen=True)
class Config(untrained.FitConfig):
    """The network.  The default is small enough for two CPU cores and 160 x 128; the published network is a preset.

    Attributes:
        channels: channels of every scale and of the random input.
        scales: number of halvings.
        skip_channels: channels of the skips at the two deepest scales.
    """

    channels: int = 16
    scales: int = 4
    skip_channels: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("channels", self.channels, 1)
        check_at_least("scales", self.scales, 2)
        check_at_least("skip_channels", self.skip_channels, 0)


def network(config: Config, shape: tuple[int, int], outputs: int) -> UntrainedNet:
    """Build the network that draws an image of `shape` (ny, nx) with `outputs` channels."""
    skips = (0,) * (config.scales - 2) + (config.skip_channels,) * 2
    return deep_image_prior(shape, outputs, config.channels, skips)


PRESETS = {
    # The comparison of arXiv:2007.02471.
    "original": Config(n_steps=20000, learning_rate=0.008, channels=256, scales=8, gradient="truncated"),
}

METHOD = untrained.method(Config, PRESETS, network)
