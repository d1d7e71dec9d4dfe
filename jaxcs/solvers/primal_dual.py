"""Primal-dual splitting for min_x f(x) + g(K x): g convex with a simple conjugate prox, K linear.

f is smooth for `primal_dual`, and has a simple prox for `chambolle_pock`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.solvers.fixed_point import Theta, implicit
from jaxcs.solvers.settle import Settled, settle, settle_unrolled
from jaxcs.types import LinearOperator, Solution

_State = tuple[Array, Array]


def primal_dual(
    gradient: Callable[[Theta, Array], Array],
    conjugate_prox: Callable[[Theta, Array, float], Array],
    operator: LinearOperator,
    theta: Theta,
    x0: Array,
    steps: tuple[float, float],
    tolerance: float,
    n_iters: int,
    image_of: Callable[[Theta, Array], Array] = lambda theta, x: x,
) -> Solution:
    """Run Condat's algorithm 3.1 with relaxation 1 (J. Optim. Theory Appl. 158:460, 2013).

        x+ = x - tau (grad f(x) + K^H u),   u+ = prox_{sigma g*}(u + sigma K (2 x+ - x))

    The gradient is the gradient of the minimiser.  It takes at most n_iters iterations of the transposed step.

    Args:
        gradient: (theta, x) -> gradient of f.
        conjugate_prox: (theta, u, sigma) -> prox of sigma g*.
        operator: K.
        theta: pytree of every array that `gradient` and `conjugate_prox` depend on.
        x0: first x.
        steps: (tau, sigma).  They converge if 1/tau - sigma ||K||^2 >= L/2, with the Lipschitz constant L of grad f.
        tolerance: estimated relative error at which the iteration stops, see `settle` [-].
        n_iters: largest number of iterations.
        image_of: (theta, x) -> the part of x that has to settle.
    """
    tau, sigma = steps

    def step(theta: Theta, state: _State) -> _State:
        x, u = state
        x_next = x - tau * (gradient(theta, x) + operator.adjoint(u))
        return x_next, conjugate_prox(theta, u + sigma * operator.forward(2 * x_next - x), sigma)

    def solve(theta: Theta, prepared: None, start: _State) -> Settled:
        del prepared
        advance, seen = partial(step, theta), lambda state: image_of(theta, state[0])
        return settle(advance, seen, start, tolerance, n_iters)

    def solve_adjoint(theta: Theta, prepared: None, found: Settled, cotangent: Settled) -> Any:
        del prepared
        transpose = jax.vjp(lambda state: step(theta, state), found.state)[1]
        v = cotangent.state
        # w <- v + J^T w converges as fast as the step itself does.
        add = lambda w: jax.tree.map(jnp.add, v, transpose(w)[0])  # noqa: E731
        return settle(add, lambda w: image_of(theta, w[0]), v, tolerance, n_iters).state

    start = (x0, jnp.zeros_like(operator.forward(x0)))
    found = implicit(solve, lambda theta, found: step(theta, found.state), solve_adjoint, theta, start)
    return Solution(found.state[0], found.iterations, found.error)


def chambolle_pock(
    prox: Callable[[Array, float], Array],
    conjugate_prox: Callable[[Array, float], Array],
    operator: LinearOperator,
    x0: Array,
    steps: tuple[float, float],
    n_iters: int,
) -> Solution:
    """Run algorithm 1 of Chambolle & Pock (J. Math. Imaging Vis. 40:120, 2011) with theta 1.

    Gradients are those of the iterations, which are unrolled.

        x+ = prox_{tau f}(x - tau K^H u),   u+ = prox_{sigma g*}(u + sigma K (2 x+ - x))

    Args:
        prox: (x, tau) -> prox of tau f.
        conjugate_prox: (u, sigma) -> prox of sigma g*.
        operator: K.
        x0: first x.
        steps: (tau, sigma).  They converge if tau sigma ||K||^2 <= 1.
        n_iters: number of iterations.
    """
    tau, sigma = steps

    def step(state: _State) -> _State:
        x, u = state
        x_next = prox(x - tau * operator.adjoint(u), tau)
        return x_next, conjugate_prox(u + sigma * operator.forward(2 * x_next - x), sigma)

    start = (x0, jnp.zeros_like(operator.forward(x0)))
    end = settle_unrolled(step, lambda state: state[0], start, n_iters)
    return Solution(end.state[0], end.iterations, end.error)
