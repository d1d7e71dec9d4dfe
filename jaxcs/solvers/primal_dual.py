"""Primal-dual splitting for min_x f(x) + g(K x): f smooth, g convex with a simple conjugate prox, K linear."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.solvers.fixed_point import (
    Differentiate,
    Quicken,
    Theta,
    adjoint_iterations,
    implicit,
    neumann,
    unchanged,
    unrolled,
)
from jaxcs.types import LinearOperator


def primal_dual(
    gradient: Callable[[Theta, Array], Array],
    conjugate_prox: Callable[[Theta, Array, float], Array],
    operator: LinearOperator,
    theta: Theta,
    x0: Array,
    steps: tuple[float, float],
    n_iters: int,
    differentiate: Differentiate = "implicit",
    quicken: Quicken = unchanged,
) -> Array:
    """Condat's algorithm 3.1 with relaxation 1 (J. Optim. Theory Appl. 158:460, 2013).

        x+ = x - tau (grad f(x) + K^H u),   u+ = prox_{sigma g*}(u + sigma K (2 x+ - x))

    gradient, theta, quicken: as in `jaxcs.solvers.proximal_gradient`; conjugate_prox(theta, u, sigma); operator: K.
    steps: (tau, sigma), which converge where 1/tau - sigma ||K||^2 >= L/2, L the Lipschitz constant of grad f.
    """
    tau, sigma = steps

    def step(theta: Theta, state: tuple[Array, Array]) -> tuple[Array, Array]:
        x, u = state
        x_next = x - tau * (gradient(theta, x) + operator.adjoint(u))
        return x_next, conjugate_prox(theta, u + sigma * operator.forward(2 * x_next - x), sigma)

    def solve(theta: Theta, start: tuple[Array, Array]) -> tuple[Array, Array]:
        return unrolled(lambda state: step(theta, state), start, n_iters)

    start = (x0, jnp.zeros_like(operator.forward(x0)))
    if differentiate == "unroll":
        return solve(theta, start)[0]
    return implicit(solve, step, neumann(step, adjoint_iterations(n_iters)), theta, start, quicken)[0]
