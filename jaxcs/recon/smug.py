"""SMUG (Liang et al., arXiv:2312.07784): MoDL whose denoiser is smoothed in every iteration.

From the zero-filled image x = A^H y,

    z = mean over i of D(x + n_i),    x = (A^H A + weight)^-1 (A^H y + weight z)

with Gaussian noise n_i in the image.  The weights are those of MoDL, or of a training with the noise inside.  The
publication adds a term to the training's loss, by which D(x + n) stays near D of the true image; it is not here.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxcs.nets.modl import modl as network
from jaxcs.recon import modl
from jaxcs.recon.checks import check_at_least
from jaxcs.recon.method import Method, by_solver
from jaxcs.types import Reconstructor


@dataclass(frozen=True)
class Config(modl.Config):
    """The network of MoDL, and its smoothing.

    Attributes:
        noise: root mean square magnitude of the noise in a pixel, relative to the peak of the zero-filled image [-].
        draws: number of noisy images that the denoiser sees in each iteration.
    """

    noise: float = 0.01
    draws: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.noise <= 1:
            raise ValueError(f"noise is {self.noise:g}; it must be from 0 to 1")
        check_at_least("draws", self.draws, 1)

    @property
    def passes(self) -> int:
        """Passes through the denoiser in place of one."""
        return self.draws


PRESETS = {
    # The published noise and number of draws.
    "paper": Config(draws=10),
    # A network that trains in minutes on two CPU cores.
    "small": Config(5, 5, 24, draws=4),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the magnitude of the network's image, in the units of the measurement.

    The noise follows from the key, so that the image is a function of the data, and its gradient is exact.
    """
    net = network(config.iterations, config.layers, config.channels, config.cg_iters, config.noise, config.draws)
    return modl.build_by(config, net)


METHOD = Method(
    Config,
    build,
    PRESETS,
    trained=True,
    without_inverse=by_solver("cg"),
    random="the noise of the smoothing",
    weights_of="modl",
)
