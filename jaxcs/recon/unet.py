"""fastMRI's U-Net on the zero-filled image (Zbontar et al., arXiv:1811.08839, section 5.2)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import root_sum_of_squares, safe_sqrt
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.nets.unet import unet
from jaxcs.recon.checks import check_at_least, checked
from jaxcs.recon.method import Method
from jaxcs.types import Key, Magnitude, Measurement, Params, Reconstructor

# fastMRI divides by the standard deviation plus this epsilon, and clamps the result.
_EPSILON, _CLAMP = 1e-11, 6.0


@dataclass(frozen=True)
class Config:
    """The network, and the part of the image that it sees.

    Attributes:
        channels: channels of the first level.
        pools: number of levels below the first.
        crop: central (ny, nx) that the network sees and returns [pixels]; fastMRI uses the size of the target.  None:
            the whole image.
    """

    channels: int = 32
    pools: int = 4
    crop: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        check_at_least("channels", self.channels, 1)
        check_at_least("pools", self.pools, 1)


# Table 2 of the ICML 2021 paper.  Its "layers" count both ways, so 8 layers are 4 pools and 4 layers are 2.
PRESETS = {
    "u1": Config(32, 4),
    "u2": Config(16, 4),
    "u3": Config(16, 2),
    "u4": Config(8, 4),
    "u5": Config(8, 2),
    # The half-width network of Morshuis et al. 2022.
    "half": Config(16, 4),
    # The shipped network, which trains in minutes on two CPU cores.
    "small": Config(8, 4),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the network of the normalised root-sum-of-squares image, in the units of the measurement."""
    net = unet(1, 1, config.channels, config.pools)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del key
        x, mean, std = network_input(config, measurement)
        return net.apply(params, jnp.clip(x, -_CLAMP, _CLAMP)[..., None])[..., 0].astype(x.dtype) * std + mean

    return Reconstructor(init=net.init, apply=jax.jit(checked(apply, needs_maps=False, trained=True)))


def network_input(config: Config, measurement: Measurement) -> tuple[Magnitude, Array, Array]:
    """Compute the network's input before the clamp: the zero-filled image with mean 0 and standard deviation 1.

    Returns:
        The normalised image (ny, nx), and the mean and the standard deviation (unbiased) that the image had.
    """
    coils = ifft2c(jnp.where(measurement.mask, measurement.kspace, 0))
    image = root_sum_of_squares(coils if config.crop is None else image_crop(coils, config.crop))
    mean = jnp.mean(image)
    variance = jnp.sum((image - mean) ** 2) / (image.size - 1)
    std = safe_sqrt(variance) + _EPSILON  # a constant image keeps a finite gradient
    return (image - mean) / std, mean, std


def clamped_fraction(config: Config, measurement: Measurement) -> Float[Array, ""]:
    """Compute the fraction of pixels that the clamp cuts off, and at which the network is blind to changes [-]."""
    return jnp.mean(jnp.abs(network_input(config, measurement)[0]) > _CLAMP, dtype=jnp.float32)


METHOD = Method(Config, build, PRESETS, trained=True, clamped=clamped_fraction, uses_maps=lambda config: False)
