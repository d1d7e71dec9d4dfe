"""Proximal gradient methods for min_x f(x) + g(x): f smooth and convex, g convex with a prox.

`gradient(theta, x)` is the gradient of f, Lipschitz with a constant of at most 1 / step.  `prox(theta, z, step)` is the
prox of step * g.  Both are pure functions, and `theta` is a pytree of every array that they depend on.  `prepared`
replaces theta in the iterations; see `jaxcs.solvers.fixed_point.implicit`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.complex import real_dot
from jaxcs.solvers.fixed_point import Differentiate, Theta, implicit
from jaxcs.solvers.settle import settle, settle_unrolled
from jaxcs.types import Solution

Gradient = Callable[[Theta, Array], Array]
Prox = Callable[[Theta, Array, Any], Array]

# The implicit gradient's linear system is solved to this relative residual, or for at most the solver's largest number
# of iterations.
_ADJOINT_TOLERANCE = 1e-4


class _IstaState(NamedTuple):
    x: Array


def _ista(gradient: Gradient, prox: Prox, theta: Theta, x0: Array, step: float) -> tuple[_IstaState, Any]:
    return _IstaState(x0), lambda state: _IstaState(_advance(gradient, prox, theta, state.x, step))


# FISTA reaches this momentum after 98 iterations without a restart.  Larger values suit no l1 problem of MRI.
# Iterations to an image within 1e-3 of the minimum, with the limit and without: at lambda 0.002 308 and 519 (8
# simulated coils), 249 and 350, and 234 and 336 (brains of 13 and 7 coils); at 0.005 265 and 260; at 0.0005 454 and
# over 700.
_LARGEST_MOMENTUM = 0.97


class _FistaState(NamedTuple):
    x: Array
    z: Array
    t: Array


def _fista(gradient: Gradient, prox: Prox, theta: Theta, x0: Array, step: float) -> tuple[_FistaState, Any]:
    def body(state: _FistaState) -> _FistaState:
        x = _advance(gradient, prox, theta, state.z, step)
        restart = real_dot(state.z - x, x - state.x) > 0
        t = (1 + jnp.sqrt(1 + 4 * state.t**2)) / 2
        momentum = jnp.where(restart, 0.0, jnp.minimum((state.t - 1) / t, _LARGEST_MOMENTUM))
        return _FistaState(x, x + momentum * (x - state.x), jnp.where(restart, 1.0, t))

    return _FistaState(x0, x0, jnp.ones((), x0.real.dtype)), body


class _PogmState(NamedTuple):
    x: Array
    w: Array
    z: Array
    y: Array
    t: Array
    size: Array


def _pogm(gradient: Gradient, prox: Prox, theta: Theta, x0: Array, step: float) -> tuple[_PogmState, Any]:
    def body(state: _PogmState) -> _PogmState:
        slope = gradient(theta, state.x)
        w = state.x - step * slope
        t = (1 + jnp.sqrt(1 + 4 * state.t**2)) / 2
        beta, gamma = (state.t - 1) / t, state.t / t
        size = step * (1 + beta + gamma)
        z = w + beta * (w - state.w) + gamma * (w - state.x) + beta * step / state.size * (state.z - state.x)
        x = prox(theta, z, size)
        # The composite gradient mapping.  Its angle decides when momentum restarts.
        mapped = slope - (x - z) / size
        y = state.x - step * mapped
        restart = real_dot(mapped, y - state.y) > 0
        return _PogmState(x, w, z, y, jnp.where(restart, 1.0, t), size)

    one = jnp.ones((), x0.real.dtype)
    return _PogmState(x0, x0, x0, x0, one, step * one), body


def _advance(gradient: Gradient, prox: Prox, theta: Theta, x: Array, step: float) -> Array:
    return prox(theta, x - step * gradient(theta, x), step)


@dataclass(frozen=True)
class Solver:
    """A proximal gradient method: `ista`, `fista` or `pogm`.

    Attributes:
        start: (gradient, prox, theta, x0, step) -> (first state, state -> next state).
    """

    start: Callable[[Gradient, Prox, Theta, Array, float], tuple[Any, Callable[[Any], Any]]]

    def __call__(
        self,
        gradient: Gradient,
        prox: Prox,
        theta: Theta,
        x0: Array,
        step: float,
        n_iters: int,
        tolerance: float = 0.0,
        differentiate: Differentiate = "implicit",
        prepared: Theta = None,
    ) -> Solution:
        """Minimise from x0, until the image is within `tolerance` of the minimiser or for n_iters iterations.

        Args:
            gradient: (theta, x) -> gradient of f.
            prox: (theta, z, step) -> prox of step * g.
            theta: pytree of every array that `gradient` and `prox` depend on.
            x0: first image, of any shape.
            step: step size, at most 1 over the Lipschitz constant of the gradient.
            n_iters: largest number of iterations.
            tolerance: estimated relative error at which the iteration stops [-].  0 takes n_iters iterations exactly,
                as unrolling always does.
            differentiate: "implicit" for the gradient of the minimiser, "unroll" for the gradient of the iterations.
            prepared: replaces theta in the iterations if given.
        """

        def run(theta: Theta, x0: Array) -> Solution:
            state, body = self.start(gradient, prox, theta, x0, step)
            if differentiate == "unroll":
                end = settle_unrolled(body, lambda state: state.x, state, n_iters)
            else:
                end = settle(body, lambda state: state.x, state, tolerance, n_iters)
            return Solution(end.state.x, end.iterations, end.error)

        if differentiate == "unroll":
            return run(theta, x0)

        def quick(theta: Theta, prepared: Theta) -> Theta:
            return theta if prepared is None else prepared

        return implicit(
            solve=lambda theta, prepared, x0: run(quick(theta, prepared), x0),
            step=lambda theta, found: _advance(gradient, prox, theta, found.image, step),
            solve_adjoint=lambda theta, prepared, found, cotangent: _solve_adjoint(
                gradient, prox, quick(theta, prepared), step, n_iters, found.image, cotangent.image
            ),
            theta=theta,
            x0=x0,
            prepared=prepared,
        )


# x <- prox(x - step gradient(x)) (Daubechies et al., CPAM 57:1413, 2004).
ista = Solver(_ista)
# Accelerated proximal gradient with adaptive restart (Beck & Teboulle, SIAM J. Imaging Sci. 2:183, 2009, eqs. 4.1-4.3).
# Momentum is dropped whenever it points uphill (O'Donoghue & Candes, Found. Comput. Math. 15:715, 2015, eq. 12), and
# never exceeds _LARGEST_MOMENTUM.
fista = Solver(_fista)
# POGM' of Taylor, Hendrickx & Glineur, SIAM J. Optim. 27:1283, 2017, restarted as in Kim & Fessler, J. Optim. Theory
# Appl. 178:240, 2018.  Its different last step is left out, because the last step is not known in advance.
pogm = Solver(_pogm)


class _AdjointState(NamedTuple):
    w: Array
    residual: Array
    direction: Array
    d_residual: Array
    d_direction: Array
    rho: Array
    iteration: Array


def _solve_adjoint(
    gradient: Gradient, prox: Prox, theta: Theta, step: float, n_iters: int, x: Array, v: Array
) -> Array:
    """w with (I - M D) w = v, where D and M are the Jacobians of the prox and of x - step gradient(x).

    Both are Jacobians of gradients of convex functions.  So they are symmetric, 0 <= D <= I, and I - M D is symmetric
    and non-negative in the inner product <a, D b>. Conjugate gradients in this inner product cost one D and one M an
    iteration, as a forward iteration does, but need far fewer iterations.
    """
    moved, m_transpose = jax.vjp(lambda x: x - step * gradient(theta, x), x)
    d_transpose = jax.vjp(lambda z: prox(theta, z, step), moved)[1]
    d_v = d_transpose(v)[0]
    start = _AdjointState(jnp.zeros_like(v), v, v, d_v, d_v, real_dot(v, d_v), jnp.zeros((), jnp.int32))
    target = start.rho * _ADJOINT_TOLERANCE**2

    def going(state: _AdjointState) -> Array:
        return (state.rho > target) & (state.iteration < n_iters)

    def body(state: _AdjointState) -> _AdjointState:
        image = state.direction - m_transpose(state.d_direction)[0]
        curvature = real_dot(state.d_direction, image)
        usable = curvature > 0
        alpha = jnp.where(usable, state.rho / jnp.where(usable, curvature, 1.0), 0.0)
        residual = state.residual - alpha * image
        d_residual = d_transpose(residual)[0]
        # Curvature lost to rounding ends the iteration.
        rho = jnp.where(usable, real_dot(residual, d_residual), 0.0)
        beta = rho / state.rho
        return _AdjointState(
            state.w + alpha * state.direction,
            residual,
            residual + beta * state.direction,
            d_residual,
            d_residual + beta * state.d_direction,
            rho,
            state.iteration + 1,
        )

    end = jax.lax.while_loop(going, body, start)
    # `step` of the fixed point begins with M and ends with D. Its vjp applies D first, so the part of w that D
    # annihilates does not matter.
    return end.w
