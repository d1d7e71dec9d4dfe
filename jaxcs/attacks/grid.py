"""Search of all values of one parameter, such as an angle (Morshuis et al., 2022): no gradient can mislead it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Loss
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """Values for the search.

    Attributes:
        n_points: number of evenly spaced values from -radius to radius, both included; 2 or more.
    """

    n_points: int = 100


def build(config: Config) -> Attack:
    """Build the attack for one real parameter; its gradient_norm is the steepest slope between neighbours."""
    attack_scored = build_scored(config)

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        del start

        def unscored(delta: Array) -> tuple[Array, Array]:
            value = loss(delta)
            return value, jnp.zeros_like(value)

        return attack_scored(key, unscored, threat)[0]

    return attack


def build_scored(config: Config) -> Callable[..., tuple[AttackResult, Array]]:
    """Build the attack on (key, perturbation -> (loss, score), threat); it also returns the score at each value."""

    def attack(key: Key, scored: Callable[[Array], tuple[Array, Array]], threat: Threat) -> tuple[AttackResult, Array]:
        del key
        if not threat.real or threat.support.size != 1:
            kind = "real" if threat.real else "complex"
            raise ValueError(f"grid: searches one real parameter, not {threat.support.size} {kind} ones; use pgd")
        values = threat.radius * jnp.linspace(-1.0, 1.0, config.n_points, dtype=jnp.float32)
        deltas = jnp.where(threat.support, values.reshape(-1, *(1,) * threat.support.ndim), 0.0)
        losses, scores = jax.lax.map(scored, deltas)
        worst = jnp.argmax(losses)
        spacing = 2 * jnp.max(threat.radius) / (config.n_points - 1)
        slope = jnp.max(jnp.abs(jnp.diff(losses))) / jnp.where(spacing > 0, spacing, 1.0)
        return AttackResult(deltas[worst], losses[worst], losses, slope, losses[worst][None]), scores

    return attack


ATTACK = AttackEntry(Config, build, scored=build_scored)
