"""White Gaussian noise of the same norm: the control that every attack has to beat."""

from __future__ import annotations

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackResult, Loss
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """Nothing to choose."""


def build(config: Config) -> Attack:
    """One random point of the threat set's boundary; no gradient is taken."""
    del config

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        del start
        delta = threat.random(key)
        value = loss(delta)
        return AttackResult(delta, value, value[None], jnp.zeros((), jnp.float32), value[None])

    return attack
