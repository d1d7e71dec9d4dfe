"""Proximal operators: prox_t g (z) = argmin_x 1/2 |x - z|^2 + t g(x)  (Parikh & Boyd, Proximal Algorithms, 2014)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxcs.complex import magnitude, safe_sqrt


def soft_threshold(z: Inexact[Array, "*axes"], t: float | Float[Array, ""]) -> Inexact[Array, "*axes"]:
    """Apply the prox of t ||x||_1 with complex magnitudes: z max(1 - t / |z|, 0).

    The result is written as a factor times z.  `sign(z) * max(|z| - t, 0)` has the right value but the wrong gradient,
    because JAX defines the derivative of a complex sign as 0.

    Args:
        z: real or complex array of any shape.
        t: threshold, in the units of `z`.
    """
    return _shrink(magnitude(z), t) * z


def project_ball(u: Inexact[Array, "part *axes"], radius: float | Float[Array, ""]) -> Inexact[Array, "part *axes"]:
    """Project each vector along the first axis onto |u| <= radius: the prox of the conjugate of isotropic TV.

    Args:
        u: (part, ...) vectors, real or complex.
        radius: radius of the ball, in the units of `u`.
    """
    size = safe_sqrt(jnp.sum(magnitude(u) ** 2, axis=0))
    return (1 - _shrink(size, radius)) * u


def _shrink(size: Float[Array, "*axes"], t: float | Float[Array, ""]) -> Float[Array, "*axes"]:
    """max(1 - t / size, 0); value and gradient are finite at size = 0."""
    outside = size > t
    return jnp.where(outside, 1 - t / jnp.where(outside, size, 1.0), 0.0)
