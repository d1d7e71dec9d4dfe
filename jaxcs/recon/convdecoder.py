"""ConvDecoder, the un-trained network of the ICML 2021 paper (Darestani & Heckel 2020, arXiv:2007.02471)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxcs.nets.conv_decoder import conv_decoder
from jaxcs.nets.net import UntrainedNet
from jaxcs.recon import untrained
from jaxcs.recon.checks import check_at_least


@dataclass(frozen=True)
class Config(untrained.FitConfig):
    """The network.  The default is small enough for two CPU cores and 160 x 128; the published networks are presets.

    Attributes:
        channels: channels of the 3 x 3 convolutions.
        layers: number of 3 x 3 convolutions.
        in_rows: rows of the random input [pixels].
        in_columns: columns of the random input [pixels].
        bias: whether all convolutions have a bias.
    """

    channels: int = 32
    layers: int = 7
    in_rows: int = 5
    in_columns: int = 4
    bias: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("channels", self.channels, 1)
        check_at_least("layers", self.layers, 2)
        check_at_least("in_rows", self.in_rows, 1)
        check_at_least("in_columns", self.in_columns, 1)


def network(config: Config, shape: tuple[int, int], outputs: int) -> UntrainedNet:
    """Build the network that draws an image of `shape` (ny, nx) with `outputs` channels."""
    size = (config.in_rows, config.in_columns)
    return conv_decoder(shape, outputs, config.channels, config.layers, size, config.bias)


_PAPER = Config(
    n_steps=25000, learning_rate=0.008, channels=256, layers=8, in_rows=10, in_columns=5, gradient="truncated"
)
PRESETS = {
    # Appendix D of the ICML 2021 paper, and the networks that its code ran for distribution shifts, attacks, pathology,
    # small features, and, with maps, on brains.
    "paper": _PAPER,
    "attack2021": replace(_PAPER, n_steps=10000, channels=200, layers=7, bias=True),
    "pathology2021": replace(_PAPER, layers=9),
    "feature2021": replace(_PAPER, channels=128),
    "brain2021": replace(_PAPER, channels=64, layers=5, coils="maps"),
    # The network of the original publication (arXiv:2007.02471).
    "original": replace(_PAPER, n_steps=20000, channels=160, in_rows=8, in_columns=4),
}

METHOD = untrained.method(Config, PRESETS, network)
