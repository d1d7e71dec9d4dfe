"""DAGAN (Yang et al. 2018): a generator of real images from the zero-filled magnitude, for a single coil."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import magnitude
from jaxcs.fourier import ifft2c
from jaxcs.nets.dagan import generator
from jaxcs.recon.checks import check_at_least, check_one_coil, checked
from jaxcs.recon.method import Method, TrainBatch
from jaxcs.recon.scale import peak
from jaxcs.types import Image, Key, Magnitude, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """The generator.

    Attributes:
        levels: number of halvings.
        channels: channels of the first level.
    """

    levels: int = 8
    channels: int = 64

    def __post_init__(self) -> None:
        check_at_least("levels", self.levels, 2)
        check_at_least("channels", self.channels, 1)


PRESETS = {
    "paper": Config(),
    # A network that trains in minutes on two CPU cores.
    "small": Config(6, 8),
    # Its weights come with the project.
    "tiny": Config(5, 8),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the generator's image, at least 0, in the units of the measurement."""
    real_image = _real_image(config)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del key
        return real_image(params, measurement)

    return Reconstructor(
        init=generator(config.levels, config.channels).init,
        apply=jax.jit(checked(apply, needs_maps=False, trained=True)),
    )


def build_complex(config: Config) -> Callable[[Params, Measurement], Image]:
    """Build the function that gives the image of `build` as a complex image."""
    real_image = _real_image(config)

    def of(params: Params, measurement: Measurement) -> Image:
        image = real_image(params, measurement)
        return jax.lax.complex(image, jnp.zeros_like(image))

    return of


def clipped_fraction(config: Config, params: Params, measurement: Measurement) -> Float[Array, ""]:
    """Compute the fraction of pixels whose value is clipped, so that they have no gradient [-]."""
    net = generator(config.levels, config.channels)
    picture, _ = network_input(measurement)
    return jnp.mean(jnp.abs(_on_larger_grid(config, net.unclipped, params, picture)) > 1, dtype=jnp.float32)


def network_input(measurement: Measurement) -> tuple[Float[Array, "ny nx"], Float[Array, ""]]:
    """Compute the network's input, and the scale by which it was divided.

    Returns:
        (ny, nx) magnitudes of the zero-filled image, with 0 at -1 and the peak at 1, and the peak ().

    Raises:
        ValueError: If the measurement has several coils.
    """
    kspace, mask, _ = measurement
    check_one_coil(kspace)
    image = magnitude(ifft2c(jnp.where(mask, kspace[0], 0)))
    size = peak(image)
    return 2 * image / size - 1, size


def _real_image(config: Config) -> Callable[[Params, Measurement], Magnitude]:
    net = generator(config.levels, config.channels)

    def of(params: Params, measurement: Measurement) -> Magnitude:
        picture, size = network_input(measurement)
        image = size * (_on_larger_grid(config, net.apply, params, picture) + 1) / 2
        return jnp.where(jnp.any(picture > -1), image, 0)  # an image of zeros stays one

    return of


def _on_larger_grid(config: Config, apply: Callable[[Params, Array], Array], params: Params, picture: Array) -> Array:
    """Run the network on the image, continued by reflection to sides that can be halved, and crop the result."""
    ny, nx = picture.shape
    return apply(params, _continued(config, picture))[:ny, :nx, 0]


def _continued(config: Config, picture: Array) -> Array:
    missing = [(0, -side % 2**config.levels) for side in picture.shape]
    return jnp.pad(picture, missing, mode="reflect")[..., None]


def train(config: Config) -> TrainBatch:
    """Build the network by the statistics of each batch, by which it is trained."""
    net = generator(config.levels, config.channels)

    def of(params: Params, measurements: Measurement) -> tuple[Magnitude, Params]:
        pictures, sizes = jax.vmap(network_input)(measurements)
        ny, nx = pictures.shape[1:]
        images, after = net.train(params, jax.vmap(lambda picture: _continued(config, picture))(pictures))
        return sizes[:, None, None] * (images[:, :ny, :nx, 0] + 1) / 2, after

    return of


METHOD = Method(Config, build, PRESETS, trained=True, uses_maps=lambda config: False, one_coil=True, train=train)
