"""The scale that makes lambda, step sizes and epsilon mean the same on every scanner."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxcs.complex import magnitude
from jaxcs.operators import Sense
from jaxcs.types import Measurement


def peak(image: Inexact[Array, "ny nx"]) -> Float[Array, ""]:
    """Compute the largest magnitude of an image, and 1 for an image of zeros: what networks divide their input by."""
    largest = jnp.max(magnitude(image))
    return jnp.where(largest > 0, largest, 1.0)


def normalise(measurement: Measurement) -> tuple[Measurement, Float[Array, ""]]:
    """Divide the k-space by max|A^H y|.

    Every l1 solution is 0 for lambda of at least max|Psi A^H y|.  With the identity as Psi this is the scale, so lambda
    becomes a fraction.  A measurement of zeros has scale 0 and stays zero.

    Returns:
        The scaled measurement, and the scale () in the units of the raw k-space.
    """
    a = Sense(measurement.maps, measurement.mask)
    scale = jnp.max(magnitude(a.adjoint(measurement.kspace)))
    kspace = measurement.kspace / jnp.where(scale > 0, scale, 1.0)
    return measurement._replace(kspace=kspace), scale
