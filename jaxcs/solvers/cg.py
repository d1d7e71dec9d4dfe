"""Conjugate gradients for a Hermitian positive definite system, and the largest eigenvalue."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.sparse import linalg
from jaxtyping import Array

from jaxcs.complex import real_dot
from jaxcs.solvers.fixed_point import unrolled
from jaxcs.solvers.hermitian import on_parts, parts, whole
from jaxcs.solvers.settle import Settled, settle


class _State(NamedTuple):
    x: Array
    residual: Array
    direction: Array
    residual_norm2: Array


def cg(normal: Callable[[Array], Array], b: Array, n_iters: int) -> Array:
    """Solve normal(x) = b from x = 0 (Hestenes & Stiefel, J. Res. NBS 49:409, 1952).

    Derivatives of every order and in both directions are those of the exact solution.  Each is computed by conjugate
    gradients as well, in memory that does not depend on n_iters.

    Args:
        normal: map of arrays like `b`, linear, Hermitian and positive definite.  It may close over traced arrays.
        b: right-hand side, real or complex, of any shape.
        n_iters: largest number of iterations.  The iteration ends before if the residual is rounding error.

    Returns:
        x, of the shape of `b`.
    """
    x, _ = linalg.cg(on_parts(normal), parts(b), tol=float(jnp.finfo(b.dtype).eps), maxiter=n_iters)
    # The iteration does not begin if the residual is NaN, and would return 0.
    return whole(x) + 0 * b


def preconditioned(
    normal: Callable[[Array], Array], precondition: Callable[[Array], Array], b: Array, x0: Array, n_iters: int
) -> Array:
    """Solve normal(x) = b from x0 with a preconditioner; the iterations are differentiated.

    Args:
        normal: linear map, symmetric and positive in the inner product Re<x, y>.
        precondition: an approximate inverse of `normal`, symmetric and positive too.
        b: right-hand side, of any shape.
        x0: first x, of the shape of `b`.
        n_iters: number of iterations.  Iterations after convergence to float precision leave x unchanged.
    """
    floor = jax.lax.stop_gradient(real_dot(b, precondition(b))) * jnp.finfo(b.dtype).eps ** 2
    advance = _advance(normal, precondition, floor)
    return unrolled(advance, _start(normal, precondition, b, x0), n_iters).x


def settled_cg(normal: Callable[[Array], Array], b: Array, tolerance: float, n_iters: int) -> Settled:
    """Solve normal(x) = b from x = 0, until x has settled; not reverse-mode differentiable.

    Args:
        normal: linear map, symmetric and positive in the inner product Re<x, y>.
        b: right-hand side, of any shape.
        tolerance: estimated relative error at which the iteration stops, see `settle` [-].
        n_iters: largest number of iterations.

    Returns:
        The end of the iteration, whose state is x.
    """
    start = _start(normal, lambda x: x, b, jnp.zeros_like(b))
    # A small residual need not be a small error: the movement decides alone.
    advance = _advance(normal, lambda x: x, jnp.zeros_like(start.residual_norm2))
    found = settle(advance, lambda state: state.x, start, tolerance, n_iters)
    return found._replace(state=found.state.x)


def _start(normal: Callable[[Array], Array], precondition: Callable[[Array], Array], b: Array, x0: Array) -> _State:
    residual = b - normal(x0)
    scaled = precondition(residual)
    return _State(x0, residual, scaled, real_dot(residual, scaled))


def _advance(
    normal: Callable[[Array], Array], precondition: Callable[[Array], Array], floor: Array
) -> Callable[[_State], _State]:
    """Build an iteration.  A state whose squared residual is at most `floor` stays as it is."""

    def advance(state: _State) -> _State:
        image = normal(state.direction)
        curvature = real_dot(state.direction, image)
        going = (state.residual_norm2 > floor) & (curvature > 0)
        alpha = jnp.where(going, state.residual_norm2 / jnp.where(going, curvature, 1.0), 0.0)
        residual = state.residual - alpha * image
        scaled = precondition(residual)
        norm2 = real_dot(residual, scaled)
        beta = jnp.where(going, norm2 / jnp.where(going, state.residual_norm2, 1.0), 0.0)
        return _State(state.x + alpha * state.direction, residual, scaled + beta * state.direction, norm2)

    return advance


def largest_eigenvalue(normal: Callable[[Array], Array], start: Array, n_iters: int) -> tuple[Array, Array]:
    """Compute the largest eigenvalue and its unit eigenvector by power iteration from `start`.

    Args:
        normal: symmetric non-negative map of arrays like `start`.
        start: first vector, of any shape.
        n_iters: number of iterations.

    Returns:
        The eigenvalue () and the eigenvector.
    """

    def body(_: int, v: Array) -> Array:
        image = normal(v)
        return image / jnp.sqrt(real_dot(image, image))

    v = jax.lax.fori_loop(0, n_iters, body, start / jnp.sqrt(real_dot(start, start)))
    return real_dot(v, normal(v)), v
