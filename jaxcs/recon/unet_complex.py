"""A U-Net that gives a complex image, whose k-space can be held against the data: for test-time training.

The network sees the coil-combined zero-filled image A^H y as real and imaginary part, turned by the phase p of the same
image from the fully sampled centre alone, and gives the two parts of an image g; f = p g, so that M F S f is what it
says of the measured samples.  Without the phase it would have to learn every phase that an image can have: after 600
steps on phantoms its SSIM was 0.50 instead of 0.67.  The published U-Net (Darestani, Liu & Heckel, ICML 2022,
arXiv:2204.07204) sees and gives instead the root sums of squares over the coils of the real and of the imaginary parts,
neither of which can be negative: the phase of its f is confined to a quarter of the circle, and S f, with the phase
that the coil maps have, can agree with no data whose phase is another.  Each part is normalised by its own mean and
standard deviation, as in fastMRI's VarNet, and nothing is clamped.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.complex import abs2, magnitude, safe_sqrt
from jaxcs.nets.varnet import calibration_region, norm_unet
from jaxcs.operators import Sense
from jaxcs.recon.checks import check_at_least
from jaxcs.recon.predicted import reconstructor
from jaxcs.types import Measurement, Params, Predict, Prediction, Reconstructor

# Of the root mean square [-]: what counts as faint.
_FAINT = 0.3


# Whether coil maps are needed from outside.
NEEDS_MAPS = True


@dataclass(frozen=True)
class Config:
    """The network.  channels: of the first level.  pools: levels below it."""

    channels: int = 32
    pools: int = 4

    def __post_init__(self) -> None:
        check_at_least("channels", self.channels, 1)
        check_at_least("pools", self.pools, 1)


PRESETS = {
    # The width of the published test-time training.
    "paper": Config(64, 4),
    # What is trained on two CPU cores in minutes, and shipped.
    "small": Config(6, 3),
}


def build(config: Config) -> Reconstructor:
    """The magnitude of the network's image, in the units of the measurement."""
    return reconstructor(norm_unet(config.channels, config.pools).init, predict(config), needs_maps=NEEDS_MAPS)


def predict(config: Config) -> Predict:
    """The magnitude of the image f, and the coil images S f."""
    net = norm_unet(config.channels, config.pools)

    def of(params: Params, measurement: Measurement) -> Prediction:
        kspace, mask, maps = measurement
        seen = Sense(maps, mask).adjoint(kspace)
        phase = phase_of(Sense(maps, calibration_region(mask, 0)).adjoint(kspace))
        image = phase * net.apply(params, jnp.conj(phase) * seen)
        return Prediction(magnitude(image), maps * image)

    return of


def phase_of(image: Array) -> Array:
    """The phase of an image, smooth in it: where it is faint beside its root mean square it tends to 1.

    A phase itself turns without bound where the image is near 0, and an attack's gradient would be of little else.
    """
    moved = image + _FAINT * safe_sqrt(jnp.mean(abs2(image)))
    size = magnitude(moved)
    return jnp.where(size > 0, moved / jnp.where(size > 0, size, 1), 1)
