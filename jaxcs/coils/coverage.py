"""The share of the coil images that their coil sensitivity maps explain, and the image that explains it."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxcs.complex import abs2
from jaxcs.fourier import ifft2c
from jaxcs.types import Image, Kspace, Maps


def left_out(kspace: Kspace, maps: Maps, centre: Bool[Array, "ny nx"]) -> Float[Array, ""]:
    """Compute the share of the coil images' energy outside the span of their coil sensitivity maps.

    The share is 1 - sum |<m, x>|^2 / sum |m|^2 |x|^2.  The coil images x come from the samples in `centre` alone.  The
    centre holds most of the object's energy and little of the noise, which is outside the span for any maps.

    Args:
        kspace: (coil, ny, nx), in units that keep squares within float32.
        maps: (coil, ny, nx), of any norm.
        centre: (ny, nx) bool, True in a fully sampled block about the zero frequency.

    Returns:
        The share, () in [0, 1] [-]; 1 if k-space is zero in the centre.
    """
    kspace = jnp.where(centre, kspace, 0)
    within = jnp.sum(jnp.sum(abs2(maps), axis=0) * abs2(combined(kspace, maps)))
    energy = jnp.sum(abs2(ifft2c(kspace)))
    return jnp.clip(1 - within / jnp.where(energy > 0, energy, 1.0), 0.0, 1.0)


def combined(kspace: Kspace, maps: Maps) -> Image:
    """Compute the image that fits fully sampled k-space best: sum conj(m) x / sum |m|^2 at each pixel.

    Args:
        kspace: (coil, ny, nx), in units that keep squares within float32.
        maps: (coil, ny, nx), of any norm.

    Returns:
        (ny, nx) complex image, 0 at pixels where all maps are 0.
    """
    power = jnp.sum(abs2(maps), axis=0)
    return jnp.sum(jnp.conj(maps) * ifft2c(kspace), axis=0) / jnp.where(power > 0, power, 1.0)
