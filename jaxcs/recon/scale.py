"""The scale that makes lambda, step sizes and epsilon mean the same on every scanner."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact

from jaxcs.complex import largest, magnitude, root_sum_of_squares
from jaxcs.fourier import ifft2c
from jaxcs.operators.parallel_beam import ParallelBeam, forward_model
from jaxcs.types import Measurement


def peak(image: Inexact[Array, "ny nx"]) -> Float[Array, ""]:
    """Compute the number by which networks divide their input: the largest magnitude, or 1 for an image of zeros."""
    size = largest(magnitude(image))
    return jnp.where(size > 0, size, 1.0)


def normalise(measurement: Measurement) -> tuple[Measurement, Float[Array, ""]]:
    """Divide the k-space by max|A^H y|, or a sinogram by the largest magnitude of its filtered back-projection.

    Every l1 solution is 0 for lambda of at least max|Psi A^H y|.  With the identity as Psi this is the scale, so lambda
    becomes a fraction.  A measurement of zeros has scale 0 and stays zero.

    Returns:
        The scaled measurement, and the scale () in the units of the raw k-space.
    """
    a = forward_model(measurement.maps, measurement.mask)
    image = (a.fbp if isinstance(a, ParallelBeam) else a.adjoint)(measurement.kspace)
    scale = largest(magnitude(image))
    kspace = measurement.kspace / jnp.where(scale > 0, scale, 1.0)
    return measurement._replace(kspace=kspace), scale


def unit_scale(kspace: np.ndarray, mask: np.ndarray, maps: np.ndarray | Array | None) -> tuple[Measurement, float]:
    """Raw data as a measurement divided by max|A^H y|, and that number.

    Args:
        kspace: (coil, ny, nx) complex64, 0 where the mask is False, and not 0 everywhere; in any units.
        mask: (nx,) or (ny, nx) bool.
        maps: (coil, ny, nx); None takes the root sum of squares of the coil images for |A^H y|, and gives maps of 0.

    Returns:
        The measurement, and raw units in one of its; 0 if its image is 0 everywhere.
    """
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    extent = float(np.abs(kspace).max())
    if maps is not None:
        measurement, scale = normalise(Measurement(jnp.asarray(kspace / extent), jnp.asarray(mask), jnp.asarray(maps)))
        return measurement, float(scale) * extent
    unit = jnp.asarray(kspace / extent)
    scale = jnp.max(root_sum_of_squares(ifft2c(unit)))
    return Measurement(unit / scale, jnp.asarray(mask), jnp.zeros_like(unit)), float(scale) * extent
