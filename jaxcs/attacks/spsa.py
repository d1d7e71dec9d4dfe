"""Ascent without gradients (SPSA: Spall, IEEE TAC 37:332, 1992; as an attack: Uesato et al., ICML 2018).

This attack checks the gradients: if a gradient attack does not beat it, its gradients mislead it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Best, Loss, entry_size, keep_best
from jaxcs.complex import l2_norm
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """e <- project(e + step_size * boundary(estimate)); the estimate is from differences along random directions.

    Attributes:
        n_steps: number of estimates; the best of the points with an estimate is the result.
        samples: number of directions for an estimate; each needs two evaluations of the loss.
        step_size: step size in units of the radius [-].
        difference: distance of these two points from e, in units of the radius [-].  The difference is exact at any
            distance for a quadratic loss, so a long one only keeps rounding small; it may reach outside the threat set.
    """

    n_steps: int = 20
    samples: int = 8
    step_size: float = 0.25
    difference: float = 0.5


class _State(NamedTuple):
    delta: Array
    best: Best


def build(config: Config) -> Attack:
    """Build the attack; see `Config`."""

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        # Every direction changes every real entry by the same amount, and has the length `difference`.
        distance = config.difference * entry_size(threat)
        per_distance = jnp.where(distance > 0, 1 / jnp.where(distance > 0, distance, 1.0), 0.0)

        def sample(delta: Array, key: Key) -> Array:
            # `jax.random.rademacher` is not used, because its draws depend on whether JAX has float64.
            heads = jax.random.bernoulli(key, jnp.float32(0.5), (1 if threat.real else 2, *threat.support.shape))
            signs = 2 * heads.astype(jnp.float32) - 1
            direction = jnp.where(threat.support, signs[0] if threat.real else jax.lax.complex(signs[0], signs[1]), 0)
            change = loss(delta + distance * direction) - loss(delta - distance * direction)
            return change.astype(jnp.float32) / 2 * per_distance * direction

        def step(state: _State, key: Key) -> tuple[_State, tuple[Array, Array]]:
            value = loss(state.delta)
            # Directions run one after another, so that memory does not grow with their number.
            estimates = jax.lax.map(lambda k: sample(state.delta, k), jax.random.split(key, config.samples))
            gradient = jnp.mean(estimates, axis=0)
            moved = threat.project(state.delta + config.step_size * threat.boundary(gradient))
            return _State(moved, keep_best(state.best, state.delta, value)), (value, l2_norm(gradient))

        first_key, steps_key = jax.random.split(key)
        first = threat.random(first_key) if start is None else threat.boundary(start)
        state = _State(first, Best(first, jnp.float32(-jnp.inf)))
        last, (losses, norms) = jax.lax.scan(step, state, jax.random.split(steps_key, config.n_steps))
        return AttackResult(last.best.point, last.best.loss, losses, norms[0], last.best.loss[None])

    return attack


ATTACK = AttackEntry(Config, build)
