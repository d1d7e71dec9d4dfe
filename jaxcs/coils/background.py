"""Thermal noise of a scan, estimated from its background (Firbank et al., Phys. Med. Biol. 44:N261, 1999).

The estimate uses complex coil images, because their noise is Gaussian everywhere.  The noise of magnitude images is
Rayleigh distributed in the background and needs a correction.  Magnitudes also hide the noise correlation between
coils.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from jaxcs.coils.whiten import estimate_covariance
from jaxcs.complex import abs2, safe_sqrt
from jaxcs.fourier import ifft2c
from jaxcs.types import Kspace, Mask

# The image's sides are this many times the sides of a corner patch.
_PATCH = 8
# A corner counts as background if its energy is at most this many times the energy of the darkest corner.  The darkest
# corner alone would be biased low, and small images have few pixels in it.
_ALIKE = 1.25
# The background noise may be at most this many times the energy in the corners of k-space.  White noise is as strong in
# both, and an object adds energy to the corners of k-space.  On 7 measured slices of three scanners the background has
# 0.19 to 0.67 of the energy of the k-space corners, on phantoms 0.6 to 0.9.
_MOST = 2.0


def noise_covariance(kspace: Kspace, padding: tuple[int, int]) -> Complex[Array, "coil coil"]:
    """Estimate the noise covariance E[n n^H] of one acquired k-space sample from the corners of the coil images.

    The corners must hold no object.  An object that reaches into all four corners makes the covariance too large.
    Filters and masks that darken the corners make it too small.

    Args:
        kspace: (coil, ny, nx) whole, fully sampled k-space.
        padding: (left, right).  Only the columns [left, right) were acquired; the others hold no noise.

    Returns:
        (coil, coil) Hermitian covariance, in squared units of `kspace`.
    """
    left, right = padding
    ny, nx = kspace.shape[-2:]
    height, width = max(ny // _PATCH, 2), max(nx // _PATCH, 2)
    images = ifft2c(kspace)
    ends = [(slice(n), slice(-n, None)) for n in (height, width)]
    covariances = jnp.stack([estimate_covariance(images[:, rows, columns]) for rows in ends[0] for columns in ends[1]])
    energies = jnp.trace(covariances, axis1=1, axis2=2).real
    background = energies <= _ALIKE * jnp.min(energies)
    # The Fourier transform spreads the noise of the acquired columns over all pixels.
    return jnp.mean(covariances, axis=0, where=background[:, None, None]) * nx / (right - left)


def thermal_level(covariance: Complex[Array, "coil coil"], kspace: Kspace, mask: Mask) -> Float[Array, ""]:
    """Express thermal noise as an epsilon: its root mean square norm over the norm of the measured samples.

    Args:
        covariance: (coil, coil) covariance of the noise in one sample.
        kspace: (coil, ny, nx) k-space.
        mask: (nx,) or (ny, nx), True where measured.

    Returns:
        The level, () [-].
    """
    sampled = jnp.broadcast_to(mask, kspace.shape[-2:])
    noise = jnp.trace(covariance).real * jnp.sum(sampled)
    return safe_sqrt(noise / jnp.sum(abs2(jnp.where(sampled, kspace, 0))))


def has_background(
    covariance: Complex[Array, "coil coil"], kspace: Kspace, padding: tuple[int, int]
) -> Bool[Array, ""]:
    """Check whether a `noise_covariance` can be noise, and does not come from an object in all four corners.

    White noise is as strong in the corners of k-space as anywhere else, and an object has the least energy in these
    corners.  Samples that are zero were not acquired, as in elliptical scanning, and do not count.

    Args:
        covariance: (coil, coil) estimate by `noise_covariance`.
        kspace: (coil, ny, nx) k-space from which it was estimated.
        padding: (left, right).  Only the columns [left, right) were acquired.

    Returns:
        () bool, True if the covariance is plausible as noise.
    """
    left, right = padding
    ny = kspace.shape[-2]
    height, width = max(ny // _PATCH, 2), max((right - left) // _PATCH, 1)
    acquired = kspace[..., left:right]
    ends = [(slice(n), slice(-n, None)) for n in (height, width)]
    corners = [jnp.sum(abs2(acquired[:, rows, columns]), axis=0) for rows in ends[0] for columns in ends[1]]
    energy = jnp.stack(corners)
    outermost = jnp.mean(energy, where=energy > 0)
    noise = jnp.trace(covariance).real
    # The mean of no samples is NaN, and a comparison with NaN is False.
    alike = ~(noise > _MOST * outermost)
    return alike & (noise * ny * (right - left) <= jnp.sum(abs2(acquired)))


@partial(jax.jit, static_argnums=2)
def noise_factor(
    kspace: Kspace, mask: Mask, padding: tuple[int, int]
) -> tuple[Complex[Array, "coil coil"], Float[Array, ""], Bool[Array, ""]]:
    """The Cholesky factor of the noise covariance, up to a factor; `thermal_level`, and `has_background`.

    kspace: whole and fully sampled.  padding: as for `noise_covariance`.
    """
    # One function, because some fifty small ones take half a second to load and two to compile.
    covariance = noise_covariance(kspace, padding)
    coils = kspace.shape[0]
    # A dead coil has no noise, and noise-free images have none at all: a little of the mean keeps the factor finite.
    floor = jnp.maximum(1e-6 * jnp.trace(covariance).real / coils, jnp.finfo(jnp.float32).tiny)
    factor = jnp.linalg.cholesky(covariance + floor * jnp.eye(coils, dtype=covariance.dtype))
    scale = jnp.sqrt(jnp.trace(covariance).real / coils)
    level = thermal_level(covariance, kspace, mask)
    return factor / jnp.where(scale > 0, scale, 1.0), level, has_background(covariance, kspace, padding)
