"""Proximal operators: prox_t g (z) = argmin_x 1/2 |x - z|^2 + t g(x)  (Parikh & Boyd, Proximal Algorithms, 2014)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxcs.complex import magnitude, safe_sqrt


def soft_threshold(z: Inexact[Array, "*axes"], t: float | Float[Array, ""]) -> Inexact[Array, "*axes"]:
    """Prox of t ||x||_1 with complex magnitudes: z max(1 - t / |z|, 0).

    Written as a factor times z because `sign(z) * max(|z| - t, 0)` has the right value and, JAX defining the derivative
    of a complex sign as 0, the wrong gradient.
    """
    return _shrink(magnitude(z), t) * z


def project_ball(u: Inexact[Array, "part *axes"], radius: float | Float[Array, ""]) -> Inexact[Array, "part *axes"]:
    """Project each vector along the first axis onto |u| <= radius: the prox of the conjugate of isotropic TV."""
    size = safe_sqrt(jnp.sum(magnitude(u) ** 2, axis=0))
    return (1 - _shrink(size, radius)) * u


def _shrink(size: Float[Array, "*axes"], t: float | Float[Array, ""]) -> Float[Array, "*axes"]:
    """max(1 - t / size, 0), finite with its gradient at size = 0."""
    outside = size > t
    return jnp.where(outside, 1 - t / jnp.where(outside, size, 1.0), 0.0)
