"""The error at measured samples that a reconstruction was not given: a choice of settings without ground truth.

The settings of a method without training are a few numbers, which one under-sampled scan can choose (Darestani et al.,
ICML 2021, section 7).  A part of its samples is withheld, and the settings that predict them best are chosen.  This is
cross-validation (Stone, J. R. Statist. Soc. B 36:111, 1974) over samples of k-space.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxcs.complex import abs2
from jaxcs.fourier import fft2c
from jaxcs.nets.varnet import calibration_region
from jaxcs.types import Key, Mask, Measurement


def folds(key: Key, mask: Mask, count: int) -> Bool[Array, "fold ..."]:
    """Divide the measured samples outside the fully sampled centre at random into parts of equal size.

    The parts are of whole columns of a column mask, otherwise of points.  The centre, from which coil maps are
    estimated, is in no part.

    Args:
        key: random key.
        mask: (nx,) or (ny, nx) bool, True where measured.
        count: number of parts.

    Returns:
        (count, *mask.shape) bool, True where a part is withheld.
    """
    free = mask & ~calibration_region(mask, 0)
    draws = jnp.where(free, jax.random.uniform(key, mask.shape, jnp.float32), jnp.inf).ravel()
    rank = jnp.argsort(jnp.argsort(draws)).reshape(mask.shape)
    parts = jnp.arange(count).reshape(-1, *(1,) * mask.ndim)
    return free & (rank % count == parts)


def error(
    coils: Callable[[Measurement, Key], Array], measurement: Measurement, held: Bool[Array, "fold ..."], key: Key
) -> Float[Array, ""]:
    """Compute the squared error at withheld samples, each withheld once, over the energy of these samples.

    Args:
        coils: (measurement, key) -> (coil, ny, nx) coil images.
        measurement: the data.
        held: the parts, see `folds`.
        key: key of a method that draws at random.

    Returns:
        The error, () [-]: 0 if all are predicted, 1 if the prediction is as good as 0; NaN if nothing is withheld.
    """

    def one(withheld: Array) -> tuple[Array, Array]:
        mask = measurement.mask & ~withheld
        given = Measurement(jnp.where(mask, measurement.kspace, 0), mask, measurement.maps)
        difference = fft2c(coils(given, key)) - measurement.kspace
        misfit, energy = (jnp.where(withheld, abs2(part), 0) for part in (difference, measurement.kspace))
        return jnp.sum(misfit), jnp.sum(energy)

    # One part after another, so that memory does not grow with their number.
    misfit, energy = jax.lax.map(one, held)
    return jnp.sum(misfit) / jnp.sum(energy)
