"""White Gaussian noise of the same norm: the control that every attack must beat."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Loss
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """The attack has no settings."""


def build(config: Config) -> Attack:
    """Build the attack: one random point of the threat set's boundary, without any gradient."""
    del config

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        del start
        delta = threat.random(key)
        value = loss(delta)
        return AttackResult(delta, value, value[None], jnp.zeros((), jnp.float32), value[None])

    return attack


ATTACK = AttackEntry(Config, build, searches=False)
