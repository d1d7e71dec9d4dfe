"""Differentiation of an iterative solver, by unrolling it or at its fixed point.

Both see a solver as iterations of x <- step(theta, x).  `theta` is a pytree of every array that the result depends on.
Unrolling gives the gradient of the iterations that were run.  The implicit gradient is the gradient of their limit,

    x* = step(theta, x*)   =>   theta_bar = J_theta^T w,  (I - J_x^T) w = x_bar

(Bai et al., Deep Equilibrium Models, 2019, theorem 1), with memory that does not depend on the number of iterations.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import jax

Differentiate = Literal["unroll", "implicit"]
DIFFERENTIATE = ("unroll", "implicit")
Theta = Any
State = TypeVar("State")
Found = TypeVar("Found")


def unrolled(body: Callable[[State], State], state: State, n_iters: int) -> State:
    """Run `body` n_iters times, differentiable in memory that grows with the square root of n_iters.

    The iterations are cut into about sqrt(n_iters) segments.  The backward pass keeps the state at the start of each
    segment and recomputes one segment at a time (Griewank & Walther, ACM TOMS 26:19, 2000).

    Args:
        body: state -> next state.
        state: first state, a pytree.
        n_iters: number of iterations.
    """
    if n_iters == 1:  # nothing can be recomputed
        return body(state)
    length = _segment(n_iters)

    def segment(start: State, steps: int) -> State:
        return jax.lax.scan(lambda s, _: (body(s), None), start, None, length=steps)[0]

    checkpointed = jax.checkpoint(segment, static_argnums=(1,))
    state = jax.lax.scan(lambda s, _: (checkpointed(s, length), None), state, None, length=n_iters // length)[0]
    return checkpointed(state, n_iters % length) if n_iters % length else state


def _segment(n_iters: int) -> int:
    """The length of segments: the largest divisor up to the square root that is not far below the root.

    A remainder would be one more program to compile.  If no divisor is suitable, the root itself leaves a remainder.
    """
    root = max(1, math.isqrt(n_iters))
    return max((d for d in range(1, root + 1) if n_iters % d == 0 and d + n_iters // d <= 3 * root), default=root)


def implicit(
    solve: Callable[[Theta, Any, Any], Found],
    step: Callable[[Theta, Found], Any],
    solve_adjoint: Callable[[Theta, Any, Found, Found], Any],
    theta: Theta,
    x0: Any,
    prepared: Any = None,
) -> Found:
    """Compute solve(theta, prepared, x0), differentiated in theta as the fixed point of `step`.

    The limit does not depend on x0, whose gradient is 0.  None of the functions may close over a traced array: every
    array that the solution depends on belongs into `theta`.

    Args:
        solve: (theta, prepared, x0) -> solution x.
        step: (theta, x) -> next x, of which the solution is the fixed point.
        solve_adjoint: (theta, prepared, x, v) -> w with (I - J^T) w = v.  J is the Jacobian of `step` in x at the
            solution, and vectors are in JAX's convention for cotangents.
        theta: pytree of every array that the solution depends on.
        x0: start of the solver, a pytree.
        prepared: values that follow from theta alone and make `solve` and `solve_adjoint` faster, such as a factor of a
            matrix.  They are not differentiated: theta says what the solution depends on.
    """

    @jax.custom_vjp
    def run(theta: Theta, prepared: Any, x0: Any) -> Found:
        return solve(theta, prepared, x0)

    def forward(theta: Theta, prepared: Any, x0: Any) -> tuple[Found, tuple[Theta, Any, Found]]:
        x = solve(theta, prepared, x0)
        return x, (theta, prepared, x)

    def backward(residuals: tuple[Theta, Any, Found], cotangent: Found) -> tuple[Theta, None, None]:
        theta, prepared, x = residuals
        w = solve_adjoint(theta, prepared, x, cotangent)
        (theta_bar,) = jax.vjp(lambda theta: step(theta, x), theta)[1](w)
        return theta_bar, None, None

    run.defvjp(forward, backward)
    found: Found = run(theta, prepared, x0)
    return found
