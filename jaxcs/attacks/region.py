"""The ascent of Morshuis et al. (2022), who attack the region around a finding; the caller's loss has the region."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Loss
from jaxcs.complex import l2_norm, unit, value_and_ascent
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """e <- project(e + step_size * boundary(gradient)), as the paper describes it; the result is the last e.

    Attributes:
        n_steps: number of gradient evaluations.
        step_size: step size in units of the radius [-].
        published: whether to use the step of the authors' code.  It divides e and the gradient by their norms over all
            coils together, before it clamps every coil to norm 1 and scales it to its radius.  The norm over all coils
            is then between 0.5 and 1.5, so no coil reaches 1 and the clamp has no effect: 15 equal coils have about
            0.29 of the nominal size each.  It is meant for balls coil by coil; a global ball counts as one coil.
    """

    n_steps: int = 10
    step_size: float = 0.5
    published: bool = False


PRESETS = {"published": Config(published=True)}


def build(config: Config) -> Attack:
    """Build the attack; see `Config`."""

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        ascend = value_and_ascent(loss)

        def step(delta: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
            value, gradient = ascend(delta)
            if config.published:
                mixed = jnp.where(threat.support, unit(delta) + config.step_size * unit(gradient), 0)
                moved = threat.radius * mixed / jnp.maximum(1.0, threat.norm(mixed))
            else:
                moved = threat.project(delta + config.step_size * threat.boundary(gradient))
            return moved, (value, l2_norm(gradient))

        first = threat.random(key) if start is None else threat.boundary(start)
        last, (losses, norms) = jax.lax.scan(step, first, None, length=config.n_steps)
        value = loss(last)
        return AttackResult(last, value, losses, norms[0], value[None])

    return attack


ATTACK = AttackEntry(Config, build, PRESETS)
