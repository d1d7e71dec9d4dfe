"""The invertible recurrent inference machine (Putzky & Welling 2019); it uses all coil images and no coil maps.

The ICML 2021 paper chose its hard images, fastMRI-A, with this method.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import root_sum_of_squares, safe_sqrt
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.nets.irim import irim
from jaxcs.nets.net import Net
from jaxcs.recon.checks import check_at_least
from jaxcs.recon.predicted import method, reconstructor
from jaxcs.types import Measurement, Params, Predict, Prediction, Reconstructor

# Largest side of the central image from which the scale is taken [pixels], and the published code's addition to the
# scale.
_CENTRE, _EPSILON = 320, 1e-6


# The network takes no coil maps as an input.
NEEDS_MAPS = False


@dataclass(frozen=True)
class Config:
    """The network.

    Attributes:
        steps: number of unrolled steps.
        width: channels of the latent image, at least 4 most_coils.
        hidden: channels in the branch of each layer of a step.
        strides: stride of each branch, a power of two.
        most_coils: number of coils for which the latent image has channels, 4 for each.
    """

    steps: int = 8
    width: int = 96
    hidden: tuple[int, ...] = (64, 64, 128, 128, 256, 1024, 1024, 256, 128, 128, 64, 64)
    strides: tuple[int, ...] = (1, 1, 2, 2, 4, 8, 8, 4, 2, 2, 1, 1)
    most_coils: int = 15

    def __post_init__(self) -> None:
        check_at_least("steps", self.steps, 1)
        check_at_least("most_coils", self.most_coils, 1)
        check_at_least("width", self.width, 4 * self.most_coils)
        for name in ("hidden", "strides"):
            values = getattr(self, name)
            if not values or not all(isinstance(value, int) and value > 0 for value in values):
                raise ValueError(f"{name} is {values}; it must be a positive whole number for each layer")
        if len(self.hidden) != len(self.strides):
            raise ValueError(f"hidden has {len(self.hidden)} layers and strides {len(self.strides)}; both need as many")
        if any(stride & (stride - 1) for stride in self.strides):
            raise ValueError(f"strides are {self.strides}; each must be a power of two")


PRESETS = {
    # The submission to fastMRI 2019, multi-coil.
    "paper": Config(),
    # The shipped network, which trains in minutes on two CPU cores.
    "small": Config(5, 40, (16, 12, 16), (1, 2, 1), 8),
}


def build(config: Config) -> Reconstructor:
    """Build the method: root sum of squares of the coil images after the last step, without `measurement.maps`."""
    return reconstructor(_net(config).init, predict(config), needs_maps=NEEDS_MAPS)


def predict(config: Config) -> Predict:
    """Build the function that gives the image, and the coil images that it combines."""
    net = _net(config)

    def of(params: Params, measurement: Measurement) -> Prediction:
        zero_filled = ifft2c(jnp.where(measurement.mask, measurement.kspace, 0))
        size = scale(zero_filled)
        coils = size * net.apply(params, zero_filled / size, measurement.mask)
        return Prediction(root_sum_of_squares(coils), coils)

    return of


def scale(coils: Array) -> Float[Array, ""]:
    """Compute the unbiased standard deviation of all real and imaginary parts in the centre, plus 1e-6.

    Args:
        coils: (coil, ny, nx) coil images.

    Returns:
        The scale, (), in the units of the image.
    """
    ny, nx = coils.shape[-2:]
    centre = image_crop(coils, (min(ny, _CENTRE), min(nx, _CENTRE)))
    parts = jnp.stack([jnp.real(centre), jnp.imag(centre)])
    return safe_sqrt(jnp.sum((parts - jnp.mean(parts)) ** 2) / (parts.size - 1)) + _EPSILON


def _net(config: Config) -> Net:
    return irim(config.steps, config.width, config.hidden, config.strides, config.most_coils)


METHOD = method(Config, build, PRESETS, predict, needs_maps=NEEDS_MAPS)
