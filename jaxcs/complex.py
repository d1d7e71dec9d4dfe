"""Complex arithmetic whose values and gradients are right everywhere, zero included.

JAX's gradient of a real function at a complex point is the conjugate of the direction of steepest ascent, and the
gradients of |z| and sqrt at 0 are NaN.  Every other file uses these helpers and writes neither by hand.
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
    """sqrt(x) for x > 0 and 0 elsewhere, with gradient 0 where x <= 0.

    The double `where` matters: a single one leaves inf * 0 = NaN in the gradient of the branch not taken.
    """
    positive = x > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, x, 1.0)), 0.0)


def magnitude(z: Inexact[Array, "*axes"]) -> Float[Array, "*axes"]:
    """|z| with gradient 0 at z = 0."""
    return safe_sqrt(abs2(z))


def root_sum_of_squares(z: Inexact[Array, "coil *axes"]) -> Float[Array, "*axes"]:
    """Combine coil images: sqrt(sum over the first axis of |z|^2), gradient 0 where all coils are 0."""
    return safe_sqrt(jnp.sum(abs2(z), axis=0))


def real_dot(x: Inexact[Array, "*axes"], y: Inexact[Array, "*axes"]) -> Float[Array, ""]:
    """Re<x, y>, the inner product in which complex arrays are real vectors of twice the length."""
    return jnp.sum(jnp.real(x) * jnp.real(y) + jnp.imag(x) * jnp.imag(y))


def l2_norm(x: Inexact[Array, "*axes"]) -> Float[Array, ""]:
    """Euclidean norm over all entries, gradient 0 at 0."""
    return safe_sqrt(jnp.sum(abs2(x)))


def value_and_ascent(loss: Callable[[Array], Array]) -> Callable[[Array], tuple[Array, Array]]:
    """The value of a real `loss` and its direction of steepest ascent, which is the conjugate of JAX's gradient.

    For loss(z) = |z - a|^2 the second result is 2 (z - a).
    """

    def evaluate(z: Array) -> tuple[Array, Array]:
        value, gradient = jax.value_and_grad(loss)(z)
        return value, jnp.conj(gradient)

    return evaluate
