"""Hermitian systems of equations by their real and imaginary parts.

A Hermitian map of complex arrays is a symmetric map of the pairs of their parts.  JAX takes a symmetric map as its own
transpose.  It would have to transpose the complex map, and up to JAX 0.8 fails if that has a loop inside.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array

# Real and imaginary part, or a real array alone.
Parts = tuple[Array, ...]


def hermitian_solve(normal: Callable[[Array], Array], b: Array, inverse: Callable[[Array], Array]) -> Array:
    """Return inverse(b), with the derivatives of the x for which normal(x) = b.

    Args:
        normal: map of arrays like `b`, linear, Hermitian and positive definite.  It may close over traced arrays.
        b: right-hand side, real or complex, of any shape.
        inverse: the inverse of `normal`.  It is not differentiated.

    Returns:
        x, of the shape of `b`.
    """

    def solve(_: Callable[[Parts], Parts], b: Parts) -> Parts:
        return parts(inverse(whole(b)))

    return whole(jax.lax.custom_linear_solve(on_parts(normal), parts(b), solve, symmetric=True))


def parts(x: Array) -> Parts:
    """Split an array into its real and its imaginary part; a real array is its only part."""
    return (jnp.real(x), jnp.imag(x)) if jnp.iscomplexobj(x) else (x,)


def whole(x: Parts) -> Array:
    """Put the parts of an array together."""
    return jax.lax.complex(*x) if len(x) == 2 else x[0]


def on_parts(normal: Callable[[Array], Array]) -> Callable[[Parts], Parts]:
    """Turn a map of arrays into the map of their parts."""
    return lambda x: parts(normal(whole(x)))
