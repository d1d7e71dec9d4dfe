"""Fits of a network's parameters to one measurement, differentiable in the data to which they are fitted.

As in the other solvers, `theta` is a pytree of every array that the fit depends on, and the callables close over static
values only.  `gradient` says how the fit is differentiated with respect to theta:

- "unroll": through every step, in memory that grows with the square root of the number of steps.
- "truncated": through the last `gradient_steps` steps.  The parameters before these steps count as constants.
- "implicit": as a minimum, where the loss's gradient is 0 (see `jaxcs.solvers.fixed_point`), with a damped system.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int

from jaxcs.solvers.fixed_point import Theta, implicit, unrolled
from jaxcs.types import Params

FitGradient = Literal["unroll", "truncated", "implicit"]
# (theta, parameters) -> (loss to descend, score).  The iterate with the smallest score is the best.  The score can be
# for instance the loss on samples that are held out.
Losses = Callable[[Theta, Params], tuple[Float[Array, ""], Float[Array, ""]]]
# (scores of all iterates so far, followed by 0; number of iterates) -> whether the fit is at its end.
Stop = Callable[[Array, Array], Bool[Array, ""]]

# A new best iterate must be better by half a percent (published code, "find_best").  So copies are rarer, and the best
# iterate stays when the score no longer falls.
_BETTER = 1.005
# Damping of the implicit gradient's system, relative to the gradient's scale, and its conjugate-gradient iterations.
_DAMPING, ADJOINT_ITERATIONS = 1e-3, 30


class Iterate(NamedTuple):
    """The state of a fit, from which another fit can continue.

    Attributes:
        params: the parameters.
        optimiser: the state of the optimiser.
    """

    params: Params
    optimiser: Any


class Fit(NamedTuple):
    """A finished fit.

    Attributes:
        params: parameters of the best iterate, before the step that follows its score.
        score: () score of the best iterate.
        losses: (n_steps,) loss at each iterate; 0 after the fit has stopped.
        scores: (n_steps,) score at each iterate; 0 after the fit has stopped.
        steps: () number of steps taken.
        last: the iterate after the last step.
    """

    params: Params
    score: Float[Array, ""]
    losses: Float[Array, "step"]
    scores: Float[Array, "step"]
    steps: Int[Array, ""]
    last: Iterate


class _State(NamedTuple):
    params: Params
    optimiser: Any
    best: Params
    score: Array
    step: Array
    losses: Array
    scores: Array
    stopped: Array


def fit(
    losses: Losses,
    theta: Theta,
    begin: Params | Iterate,
    optimiser: optax.GradientTransformation,
    n_steps: int,
    gradient: FitGradient = "unroll",
    gradient_steps: int = 0,
    stop: Stop | None = None,
) -> Fit:
    """Descend for n_steps and return the best iterate.

    A fit that meets NaN keeps the best iterate before it, and shows the NaN in `losses`.

    Args:
        losses: (theta, parameters) -> (loss, score).
        theta: pytree of every array that `losses` depends on.
        begin: parameters, or the last iterate of another fit.
        optimiser: the optax optimiser.
        n_steps: largest number of steps.
        gradient: how the fit is differentiated, see the top of this file.
        gradient_steps: number of steps of the truncated gradient, which is 0 if the best iterate is older.
        stop: ends the fit early.  Its state then stays as it is, so shapes are static.  Nothing more is computed; in a
            batch of fits that is so from the end of the last fit on, apart from the steps of a gradient.
    """
    if not isinstance(begin, Iterate):
        begin = Iterate(begin, optimiser.init(begin))
    if gradient == "implicit":
        return _implicit(losses, theta, begin, optimiser, n_steps, stop)
    last = min(gradient_steps, n_steps) if gradient == "truncated" else n_steps
    first = _first(begin, n_steps)
    if last < n_steps:
        constant = jax.lax.stop_gradient((theta, first))
        first = jax.lax.stop_gradient(_run_constant(losses, *constant, optimiser, n_steps - last, stop))
    state = _run(losses, theta, first, optimiser, last, stop)
    iterate = Iterate(state.params, state.optimiser)
    return Fit(state.best, state.score, state.losses, state.scores, state.step, iterate)


def _first(begin: Iterate, n_steps: int) -> _State:
    score, step, nothing = jnp.float32(jnp.inf), jnp.zeros((), jnp.int32), jnp.zeros(n_steps, jnp.float32)
    return _State(begin.params, begin.optimiser, begin.params, score, step, nothing, nothing, jnp.zeros((), bool))


def _run(
    losses: Losses,
    theta: Theta,
    state: _State,
    optimiser: optax.GradientTransformation,
    n_steps: int,
    stop: Stop | None,
) -> _State:
    body = _step(losses, theta, optimiser, stop)

    def body_unless_stopped(state: _State) -> _State:
        stopped: _State = jax.lax.cond(state.stopped, lambda state: state, body, state)
        return stopped

    return unrolled(body if stop is None else body_unless_stopped, state, n_steps)


def _run_constant(
    losses: Losses,
    theta: Theta,
    state: _State,
    optimiser: optax.GradientTransformation,
    n_steps: int,
    stop: Stop | None,
) -> _State:
    """The same result as `_run`, without a gradient.

    In a batch both branches of a condition are computed.  A loop of unknown length ends with the last fit of the batch.
    """
    if stop is None:
        return _run(losses, theta, state, optimiser, n_steps, stop)
    end = state.step + n_steps
    return jax.lax.while_loop(
        lambda state: ~state.stopped & (state.step < end), _step(losses, theta, optimiser, stop), state
    )


def _step(
    losses: Losses, theta: Theta, optimiser: optax.GradientTransformation, stop: Stop | None
) -> Callable[[_State], _State]:
    descend = jax.value_and_grad(lambda params: losses(theta, params), has_aux=True)

    def step(state: _State) -> _State:
        (loss, score), slope = descend(state.params)
        better = score * _BETTER < state.score
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best)
        updates, optimiser_state = optimiser.update(slope, state.optimiser, state.params)
        step, scores = state.step + 1, state.scores.at[state.step].set(score)
        return _State(
            optax.apply_updates(state.params, updates),
            optimiser_state,
            best,
            jnp.where(better, score, state.score),
            step,
            state.losses.at[state.step].set(loss),
            scores,
            state.stopped if stop is None else stop(scores, step),
        )

    return step


def _implicit(
    losses: Losses,
    theta: Theta,
    begin: Iterate,
    optimiser: optax.GradientTransformation,
    n_steps: int,
    stop: Stop | None,
) -> Fit:
    """The best iterate as the fixed point of x <- x - gradient(x), whose system is the loss's second derivative.

    The second derivative is indefinite away from a minimum, and singular if a network has more parameters than data.  A
    multiple of the identity is added, large enough to stand above the remaining slope.
    """

    def slope(theta: Theta, params: Params) -> Params:
        return jax.grad(lambda params: losses(theta, params)[0])(params)

    def solve(theta: Theta, prepared: None, params: Params) -> Params:
        del prepared
        return _run_constant(
            losses, theta, _first(begin._replace(params=params), n_steps), optimiser, n_steps, stop
        ).best

    def solve_adjoint(theta: Theta, prepared: None, params: Params, v: Params) -> Params:
        del prepared
        transpose = jax.vjp(lambda params: slope(theta, params), params)[1]
        size = optax.tree.norm(transpose(v)[0]) / jnp.maximum(optax.tree.norm(v), 1e-30)

        def system(w: Params) -> Params:
            return jax.tree.map(lambda a, b: a + _DAMPING * size * b, transpose(w)[0], w)

        return jax.scipy.sparse.linalg.cg(system, v, maxiter=ADJOINT_ITERATIONS)[0]

    best = implicit(
        solve=solve,
        step=lambda theta, params: jax.tree.map(jnp.subtract, params, slope(theta, params)),
        solve_adjoint=solve_adjoint,
        theta=theta,
        x0=begin.params,
    )
    loss, score = losses(jax.lax.stop_gradient(theta), jax.lax.stop_gradient(best))
    return Fit(best, score, loss[None], score[None], jnp.int32(n_steps), begin._replace(params=best))
