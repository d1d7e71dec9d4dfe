"""How much of what the coils see can be explained by their maps, and the image that is."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxcs.complex import abs2
from jaxcs.fourier import ifft2c
from jaxcs.types import Image, Kspace, Maps


def left_out(kspace: Kspace, maps: Maps, centre: Bool[Array, "ny nx"]) -> Float[Array, ""]:
    """Share of the coil images' energy outside the span of their maps, 1 - sum |<m, x>|^2 / sum |m|^2 |x|^2 [-].

    The images x are those of the samples in `centre` alone, a fully sampled block about the zero frequency.  There lies
    most of the object's energy and little of the noise, which is outside the span whatever the maps are.  1 for k-space
    of zeros there.

    kspace: (coil, ny, nx), in units that keep squares within float32.  maps: of any norm.
    """
    kspace = jnp.where(centre, kspace, 0)
    within = jnp.sum(jnp.sum(abs2(maps), axis=0) * abs2(combined(kspace, maps)))
    energy = jnp.sum(abs2(ifft2c(kspace)))
    return jnp.clip(1 - within / jnp.where(energy > 0, energy, 1.0), 0.0, 1.0)


def combined(kspace: Kspace, maps: Maps) -> Image:
    """The image that fits fully sampled k-space best, sum conj(m) x / sum |m|^2 at each pixel; 0 if all maps are.

    kspace: (coil, ny, nx), in units that keep squares within float32.  maps: of any norm.
    """
    power = jnp.sum(abs2(maps), axis=0)
    return jnp.sum(jnp.conj(maps) * ifft2c(kspace), axis=0) / jnp.where(power > 0, power, 1.0)
