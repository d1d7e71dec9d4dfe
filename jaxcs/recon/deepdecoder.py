"""Deep Decoder, an un-trained network without convolutions across pixels (Heckel & Hand, ICLR 2019)."""

from __future__ import annotations

from dataclasses import dataclass

from jaxcs.nets.deep_decoder import deep_decoder
from jaxcs.nets.net import UntrainedNet
from jaxcs.recon import untrained
from jaxcs.recon.checks import check_at_least


@dataclass(frozen=True)
class Config(untrained.FitConfig):
    """The network.  The default is small enough for two CPU cores and 160 x 128; the published network is a preset.

    Attributes:
        channels: channels of the 1 x 1 convolutions.
        layers: number of 1 x 1 convolutions.
        in_rows: rows of the random input [pixels].
        in_columns: columns of the random input [pixels].
    """

    channels: int = 48
    layers: int = 6
    in_rows: int = 10
    in_columns: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("channels", self.channels, 1)
        check_at_least("layers", self.layers, 2)
        check_at_least("in_rows", self.in_rows, 1)
        check_at_least("in_columns", self.in_columns, 1)


def network(config: Config, shape: tuple[int, int], outputs: int) -> UntrainedNet:
    """Build the network that draws an image of `shape` (ny, nx) with `outputs` channels."""
    return deep_decoder(shape, outputs, config.channels, config.layers, (config.in_rows, config.in_columns))


PRESETS = {
    # Appendix D of the ICML 2021 paper, and the comparison of arXiv:2007.02471.
    "paper": Config(
        n_steps=25000, learning_rate=0.008, channels=368, layers=10, in_rows=16, in_columns=16, gradient="truncated"
    ),
}

METHOD = untrained.method(Config, PRESETS, network)
