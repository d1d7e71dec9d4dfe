"""Projected gradient ascent with normalised steps (Madry et al., ICLR 2018; Darestani et al., ICML 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Best, Delta, Loss, keep_best, restarted
from jaxcs.complex import l2_norm, value_and_ascent
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """e <- project(e + step_size * boundary(gradient)).

    Attributes:
        n_steps: gradient evaluations of each restart, the first at its start; the best of these points is the result.
        step_size: step size in units of the radius [-].  Large steps make this a power iteration, which suits a loss
            that is nearly quadratic in e, as reconstruction errors are.
        restarts: number of random starts; the strongest result is kept.
    """

    n_steps: int = 10
    step_size: float = 2.0
    restarts: int = 1


class _State(NamedTuple):
    delta: Array
    best: Best


def advance(loss: Loss, threat: Threat, delta: Delta, step_size: float | Array) -> tuple[Delta, Array, Array]:
    """Do one step of `Config`.

    Returns:
        The perturbation after the step; the loss and its direction of steepest ascent before the step.
    """
    value, gradient = value_and_ascent(loss)(delta)
    return threat.project(delta + step_size * threat.boundary(gradient)), value, gradient


def build(config: Config) -> Attack:
    """Build the attack; see `Config`."""

    def climb(loss: Loss, threat: Threat, start: Array) -> AttackResult:
        def step(state: _State, _: None) -> tuple[_State, tuple[Array, Array]]:
            moved, value, gradient = advance(loss, threat, state.delta, config.step_size)
            # The loss belongs to the point before the step; storing the point after it is a common mistake.
            best = keep_best(state.best, state.delta, value)
            return _State(moved, best), (value, l2_norm(gradient))

        first = _State(start, Best(start, jnp.float32(-jnp.inf)))
        last, (losses, norms) = jax.lax.scan(step, first, None, length=config.n_steps)
        return AttackResult(last.best.point, last.best.loss, losses, norms[0], last.best.loss)

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        return restarted(lambda start: climb(loss, threat, start), key, threat, start, config.restarts)

    return attack


ATTACK = AttackEntry(Config, build)
