"""Arithmetic of real and complex arrays with values and gradients that are right everywhere, including at zero.

JAX's gradient of a real function at a complex point is the conjugate of the direction of steepest ascent.  The
gradients of |z| and sqrt at 0 are NaN.  All other files use these helpers, and neither conjugate gradients nor take
such square roots themselves.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact


def abs2(z: Inexact[Array, "*axes"]) -> Float[Array, "*axes"]:
    """Squared magnitude |z|^2, without the square root that makes its gradient NaN at 0."""
    return jnp.real(z) ** 2 + jnp.imag(z) ** 2


def safe_sqrt(x: Float[Array, "*axes"]) -> Float[Array, "*axes"]:
    """Compute sqrt(x) for x > 0 and 0 elsewhere, with gradient 0 where x <= 0.

    The double `where` matters: a single `where` leaves inf * 0 = NaN in the gradient of the branch not taken.
    """
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def magnitude(z: Inexact[Array, "*axes"]) -> Float[Array, "*axes"]:
    """Compute |z| with gradient 0 at z = 0."""
    return safe_sqrt(abs2(z))


def root_sum_of_squares(z: Inexact[Array, "coil *axes"]) -> Float[Array, "*axes"]:
    """Combine coil images: sqrt(sum over the first axis of |z|^2), gradient 0 where all coils are 0."""
    return safe_sqrt(jnp.sum(abs2(z), axis=0))


def largest(x: Float[Array, "*axes"]) -> Float[Array, ""]:
    """Compute max(x), with the gradient of the first entry that is equal to it.

    The gradient of jnp.max divides by the number of entries equal to the maximum.  A compiler that computes the entries
    anew, with another rounding, can find none, and then the gradient is NaN.
    """
    flat = x.ravel()
    return flat[jnp.argmax(flat)]


def real_dot(x: Inexact[Array, "*axes"], y: Inexact[Array, "*axes"]) -> Float[Array, ""]:
    """Compute Re<x, y>, the inner product in which complex arrays are real vectors of twice the length."""
    return jnp.sum(jnp.real(x) * jnp.real(y) + jnp.imag(x) * jnp.imag(y))


def l2_norm(x: Inexact[Array, "*axes"]) -> Float[Array, ""]:
    """Compute the Euclidean norm over all entries, with gradient 0 at 0."""
    return safe_sqrt(jnp.sum(abs2(x)))


def unit(x: Inexact[Array, "*axes"]) -> Inexact[Array, "*axes"]:
    """Divide an array by its Euclidean norm; 0 stays 0."""
    size = l2_norm(x)
    return x * jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1.0), 0.0)


def unit_phase(z: Inexact[Array, "*axes"]) -> Inexact[Array, "*axes"]:
    """Divide each number by its magnitude; 0 gives 1."""
    size = magnitude(z)
    return jnp.where(size > 0, z / jnp.where(size > 0, size, 1.0), 1.0)


def value_and_ascent(loss: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array]]:
    """Return a function that gives the value of a real `loss` and its direction of steepest ascent.

    The direction of steepest ascent is the conjugate of JAX's gradient.  For loss(z) = |z - a|^2 it is 2 (z - a).
    """

    def evaluate(z: Array) -> tuple[Array, Array]:
        value, gradient = jax.value_and_grad(loss)(z)
        return value, jnp.conj(gradient)

    return evaluate
