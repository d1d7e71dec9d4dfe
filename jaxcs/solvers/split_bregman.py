"""Split Bregman iteration for min_x sum_i R_i(K_i x) so that A x = y.

Constraint and splittings z_i = K_i x are both enforced by Bregman iteration: what is missing is added back (Goldstein &
Osher, SIAM J. Imaging Sci. 2:323, 2009).  The duals b and the right-hand side g = A^H (y + all that was missing so far)
then make quadratic penalties exact.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.solvers.settle import settle_unrolled
from jaxcs.types import Solution

# A pytree: the variables x, or all K_i x.
Variables = Any
Parts = Any


class _State(NamedTuple):
    x: Variables
    split: Parts
    z: Parts
    dual: Parts
    g: Array


def split_bregman(
    minimise: Callable[[Parts, Array, Variables], Variables],
    split: Callable[[Variables], Parts],
    shrink: Callable[[Parts], Parts],
    image_of: Callable[[Variables], Array],
    normal: Callable[[Array], Array],
    adjoint_data: Array,
    x0: Variables,
    outer: int,
    inner: int,
) -> Solution:
    """Run `outer` Bregman iterations of `inner` alternating minimisations each.  They are differentiated by unrolling.

        inner:  x <- minimise(z - b, g, x),  z <- shrink(K x + b)
        outer:  b <- b + K x - z,  g <- g + A^H (y - A x)

    Args:
        minimise: (z - b, g, x) -> x of least beta/2 ||A x - y'||^2 + sum_i mu_i/2 ||K_i x - (z_i - b_i)||^2, for any y'
            with A^H y' = g.  The given x is the last, from which iterations may start.
        split: x -> all K_i x.
        shrink: v -> all z_i of least R_i(z_i) + mu_i/2 ||z_i - v_i||^2.
        image_of: x -> the image in it, which A acts on.
        normal: image -> A^H A image.
        adjoint_data: A^H y.
        x0: first x.
        outer: number of Bregman iterations.
        inner: number of alternating minimisations in each.

    Returns:
        The image; its error is estimated from its movement.
    """
    add = lambda left, right: jax.tree.map(jnp.add, left, right)  # noqa: E731
    subtract = lambda left, right: jax.tree.map(jnp.subtract, left, right)  # noqa: E731

    def alternate(state: _State) -> _State:
        x = minimise(subtract(state.z, state.dual), state.g, state.x)
        parts = split(x)
        return state._replace(x=x, split=parts, z=shrink(add(parts, state.dual)))

    def advance(state: _State) -> _State:
        once = jax.checkpoint(lambda state, _: (alternate(state), None))
        state = jax.lax.scan(once, state, None, length=inner)[0]
        dual = subtract(add(state.dual, state.split), state.z)
        return state._replace(dual=dual, g=state.g + adjoint_data - normal(image_of(state.x)))

    zero = jax.tree.map(jnp.zeros_like, split(x0))
    end = settle_unrolled(advance, lambda state: image_of(state.x), _State(x0, zero, zero, zero, adjoint_data), outer)
    return Solution(image_of(end.state.x), jnp.int32(outer * inner), end.error)
