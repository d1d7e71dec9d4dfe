"""Projected gradient ascent with normalised steps (Madry et al., ICLR 2018; Darestani et al., ICML 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackResult, Loss, strongest
from jaxcs.attacks.threat import Threat
from jaxcs.complex import l2_norm, value_and_ascent
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """e <- project(e + step_size * boundary(gradient)).

    n_steps: gradient evaluations of each restart, the first at its start; the best of these points is the result.
    step_size: in units of the radius.  Large steps make the iteration a power iteration, which suits a loss that is
        nearly quadratic in e, as reconstruction errors are.
    restarts: independent random starts, of which the strongest result is kept.
    """

    n_steps: int = 10
    step_size: float = 2.0
    restarts: int = 1


class _State(NamedTuple):
    delta: Array
    best_delta: Array
    best_loss: Array


def build(config: Config) -> Attack:
    """The attack; see `Config`."""

    def climb(loss: Loss, threat: Threat, start: Array) -> AttackResult:
        ascend = value_and_ascent(loss)

        def step(state: _State, _: None) -> tuple[_State, tuple[Array, Array]]:
            value, gradient = ascend(state.delta)
            # The loss belongs to the point before the step; storing the point after it is a common slip.
            state = _keep_best(state, value)
            moved = threat.project(state.delta + config.step_size * threat.boundary(gradient))
            return state._replace(delta=moved), (value, l2_norm(gradient))

        first = _State(start, start, jnp.asarray(-jnp.inf))
        last, (losses, norms) = jax.lax.scan(step, first, None, length=config.n_steps)
        return AttackResult(last.best_delta, last.best_loss, losses, norms[0], last.best_loss)

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        starts = [threat.random(k) for k in jax.random.split(key, config.restarts)]
        if start is not None:
            starts[0] = threat.boundary(start)
        # One restart after another, so that memory does not grow with their number.
        results = jax.lax.map(lambda start: climb(loss, threat, start), jnp.stack(starts))
        return strongest(results)

    return attack


def _keep_best(state: _State, value: Array) -> _State:
    """Remember the current point where it is the best so far.  A loss of NaN is kept for good, so that it is seen."""
    better = ~(value <= state.best_loss) & ~jnp.isnan(state.best_loss)
    return state._replace(
        best_delta=jnp.where(better, state.delta, state.best_delta),
        best_loss=jnp.where(better, value, state.best_loss),
    )
