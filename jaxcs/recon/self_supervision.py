"""The misfit of a network's image to the measured samples, which needs no ground truth, and the samples to withhold.

The loss of test-time training (Darestani, Liu & Heckel, ICML 2022, arXiv:2204.07204) is relative, in the 1-norm:

    ||M (F c - y)||_1 / ||M y||_1

with the coil images c that the network implies (`jaxcs.types.Prediction`).  The 1-norm is the sum of magnitudes.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Complex, Float

from jaxcs.complex import magnitude
from jaxcs.fourier import fft2c
from jaxcs.nets.varnet import calibration_region
from jaxcs.types import Key, Kspace, Mask


def misfit(coils: Complex[Array, "coil ny nx"], kspace: Kspace, samples: Mask) -> Float[Array, ""]:
    """Compute ||F c - y||_1 / ||y||_1 over the samples.

    Args:
        coils: (coil, ny, nx) coil images c.
        kspace: (coil, ny, nx) data y.
        samples: (nx,) or (ny, nx), True where samples count.

    Returns:
        The misfit, () [-]; 0 if the data are zero at these samples.
    """
    error = jnp.where(samples, magnitude(fft2c(coils) - kspace), 0)
    size = jnp.sum(jnp.where(samples, magnitude(kspace), 0))
    return jnp.where(size > 0, jnp.sum(error) / jnp.where(size > 0, size, 1.0), 0.0)


def withhold(key: Key, mask: Mask, share: float) -> Bool[Array, "..."]:
    """Draw a random `share` of the measurement: whole columns of a column mask, otherwise points.

    The number is rounded, and at least one.  The fully sampled centre, from which coil maps are estimated, is never
    withheld.  Nothing is withheld if the mask has no other sample.

    Args:
        key: random key.
        mask: (nx,) or (ny, nx) bool, True where measured.
        share: share of the measured samples [-].

    Returns:
        A bool array of the mask's shape, True where withheld.
    """
    free = mask & ~calibration_region(mask, 0)
    count = jnp.clip(jnp.round(share * jnp.sum(mask, dtype=jnp.float32)), 1, jnp.sum(free))
    draws = jnp.where(free, jax.random.uniform(key, mask.shape, jnp.float32), jnp.inf).ravel()
    rank = jnp.argsort(jnp.argsort(draws)).reshape(mask.shape)
    return free & (rank < count)


def withhold_as_published(key: Key, samples: Bool[Array, "ny nx"], share: float) -> Bool[Array, "ny nx"]:
    """Draw points with replacement, a `share` of the number of samples, so that fewer distinct points are withheld.

    Args:
        key: random key.
        samples: (ny, nx) bool, True where measured.
        share: number of draws over the number of samples [-].

    Returns:
        (ny, nx) bool, True where withheld.
    """
    count = jnp.sum(samples, dtype=jnp.int32)
    most = math.ceil(share * samples.size)
    places = jnp.argsort(~samples.ravel())  # sampled points first
    drawn = places[jax.random.randint(key, (most,), 0, jnp.maximum(count, 1), jnp.int32)]
    counts = jnp.arange(most) < jnp.round(jnp.float32(share) * count)
    held = jnp.zeros(samples.size, bool).at[drawn].max(counts)
    return held.reshape(samples.shape) & samples
