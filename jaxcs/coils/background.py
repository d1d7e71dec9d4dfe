"""Thermal noise of a scan from its background (the method of Firbank et al., Phys. Med. Biol. 44:N261, 1999).

Complex coil images are taken, whose noise is Gaussian everywhere.  Only the magnitude's is not (Rayleigh's in the
background), and needs a correction; it also hides the coils' correlation, which is seen here.
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

# The sides of the image are this many sides of a corner patch.
_PATCH = 8
# Corners of up to this many times the darkest one's energy are background too.  The darkest alone would be biased low,
# and on small images of few pixels.
_ALIKE = 1.25
# The noise of k-space's corners may be this many times smaller than that of the background: it is white, so that both
# are alike, and what the object adds is in the corners of k-space.  On 7 measured slices of three scanners the
# background has 0.19 to 0.67 of the energy of those corners, on phantoms 0.6 to 0.9.
_MOST = 2.0


def noise_covariance(kspace: Kspace, padding: tuple[int, int]) -> Complex[Array, "coil coil"]:
    """E[n n^H] of one acquired k-space sample, from the corners of the coil images that hold no object.

    kspace: whole and fully sampled.  padding: columns [0, left) and [right, nx) were never acquired, and hold no noise.
    An object that reaches into all four corners makes it too large; filters and masks that darken them, too small.
    """
    left, right = padding
    ny, nx = kspace.shape[-2:]
    height, width = max(ny // _PATCH, 2), max(nx // _PATCH, 2)
    images = ifft2c(kspace)
    ends = [(slice(n), slice(-n, None)) for n in (height, width)]
    covariances = jnp.stack([estimate_covariance(images[:, rows, columns]) for rows in ends[0] for columns in ends[1]])
    energies = jnp.trace(covariances, axis1=1, axis2=2).real
    background = energies <= _ALIKE * jnp.min(energies)
    # The noise of the acquired columns is spread over all pixels.
    return jnp.mean(covariances, axis=0, where=background[:, None, None]) * nx / (right - left)


def thermal_level(covariance: Complex[Array, "coil coil"], kspace: Kspace, mask: Mask) -> Float[Array, ""]:
    """The epsilon that thermal noise amounts to: its root mean square norm in the measured samples over their norm."""
    sampled = jnp.broadcast_to(mask, kspace.shape[-2:])
    noise = jnp.trace(covariance).real * jnp.sum(sampled)
    return safe_sqrt(noise / jnp.sum(abs2(jnp.where(sampled, kspace, 0))))


def has_background(
    covariance: Complex[Array, "coil coil"], kspace: Kspace, padding: tuple[int, int]
) -> Bool[Array, ""]:
    """Whether the `noise_covariance` of this k-space can be that of noise, and is not of an object in all four corners.

    White noise is as strong in the corners of k-space, where an object has the least energy, as anywhere.  Samples that
    are zero were not acquired, as in elliptical scanning, and say nothing.
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
    # The mean of none is NaN.
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
