"""Iterate until the image has settled, and estimate its distance from the limit.

Iterations are taken in blocks of ten.  A block moves the image by m, relative to the image's norm, and the block before
it moved it by m'.  With linear convergence at the ratio q = m / m', the remaining distance is

    m (q + q^2 + ...) = m q / (1 - q).

q is the largest of the last three ratios, because an iteration may pause.  It is at least 0.8, because a slow part
hides behind faster parts until late: l1 and TV end at 0.8 on phantoms and measured brains.  A test compares the
estimate with the distance from 10,000 iterations, on clean and on attacked data.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxcs.complex import l2_norm
from jaxcs.solvers.fixed_point import unrolled

State = TypeVar("State")
BLOCK = 10
# Ratios are limited to this range.  At the largest ratio the movement alone decides.  An iteration that moves only by
# rounding errors has a ratio of about 1; with the limit it counts as settled.
_LEAST_RATIO, _LARGEST_RATIO = 0.8, 0.99


class Settled(NamedTuple):
    """The end of an iteration.

    Attributes:
        state: last state of the solver.
        iterations: () number of iterations taken.
        error: () estimated distance of the image from the limit, relative to the image's norm [-].
    """

    state: Any
    iterations: Int[Array, ""]
    error: Float[Array, ""]


class _Progress(NamedTuple):
    image: Array
    movement: Array
    ratios: Float[Array, "3"]
    error: Array


def settle(
    advance: Callable[[State], State],
    image_of: Callable[[State], Array],
    start: State,
    tolerance: float,
    n_iters: int,
) -> Settled:
    """Advance until the estimated error is at most `tolerance`, or for n_iters iterations.

    The function is not reverse-mode differentiable; see `settle_unrolled`.

    Args:
        advance: state -> next state.
        image_of: state -> the part of the state that has to settle.
        start: first state, a pytree.
        tolerance: estimated relative error at which the iteration stops [-].  0 takes n_iters iterations exactly.
        n_iters: largest number of iterations.
    """

    def going(carry: tuple[State, _Progress, Array]) -> Array:
        _, progress, count = carry
        return (count < n_iters) & ~(progress.error <= tolerance)

    def block(carry: tuple[State, _Progress, Array]) -> tuple[State, _Progress, Array]:
        state, progress, count = carry
        steps = jnp.minimum(BLOCK, n_iters - count)
        state = jax.lax.fori_loop(0, steps, lambda _, state: advance(state), state)
        return state, _after_block(progress, image_of(state)), count + steps

    begin = (start, _begin(image_of(start)), jnp.zeros((), jnp.int32))
    state, progress, count = jax.lax.while_loop(going, block, begin)
    return Settled(state, count, progress.error)


def settle_unrolled(
    advance: Callable[[State], State], image_of: Callable[[State], Array], start: State, n_iters: int
) -> Settled:
    """Advance n_iters times, differentiable through every step; the error is estimated from the last four blocks."""
    blocks = min(4, n_iters // BLOCK)
    state = unrolled(advance, start, n_iters - blocks * BLOCK)
    progress = _begin(jax.lax.stop_gradient(image_of(state)))

    def block(carry: tuple[State, _Progress], _: None) -> tuple[tuple[State, _Progress], None]:
        state, progress = unrolled(advance, carry[0], BLOCK), carry[1]
        return (state, _after_block(progress, jax.lax.stop_gradient(image_of(state)))), None

    (state, progress), _ = jax.lax.scan(block, (state, progress), None, length=blocks)
    return Settled(state, jnp.int32(n_iters), progress.error)


def _begin(image: Array) -> _Progress:
    infinity = jnp.asarray(jnp.inf, image.real.dtype)
    return _Progress(image, infinity, jnp.full(3, infinity), infinity)


def _after_block(before: _Progress, image: Array) -> _Progress:
    size = l2_norm(image)
    movement = l2_norm(image - before.image) / jnp.where(size > 0, size, 1.0)
    # Before the first block nothing has moved.  An image that does not move at all has settled.
    last = jnp.where(before.movement > 0, before.movement, 1.0)
    ratio = jnp.where(jnp.isinf(last), jnp.inf, movement / last)
    ratios = jnp.roll(before.ratios, 1).at[0].set(ratio)
    known = jnp.all(jnp.isfinite(ratios))
    worst = jnp.clip(jnp.max(ratios), _LEAST_RATIO, _LARGEST_RATIO)
    error = jnp.where(movement == 0, 0.0, jnp.where(known, movement * worst / (1 - worst), jnp.inf))
    return _Progress(image, movement, ratios, error.astype(image.real.dtype))
