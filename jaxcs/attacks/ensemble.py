"""Several attacks on the same loss; the strongest counts, image by image (as AutoAttack: Croce & Hein, 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks import apgd, grid, momentum, noise, padam, pgd, region, spectral, spsa
from jaxcs.attacks.base import AttackEntry, AttackResult, Residual, ResidualAttack, squared_norm, strongest
from jaxcs.threats.balls import Threat
from jaxcs.types import Key

# The builder for each configuration, and whether its attack needs the residual.
_BUILDERS: dict[type, tuple[Any, bool]] = {
    pgd.Config: (pgd.build, False),
    apgd.Config: (apgd.build, False),
    padam.Config: (padam.build, False),
    spsa.Config: (spsa.build, False),
    region.Config: (region.build, False),
    grid.Config: (grid.build, False),
    noise.Config: (noise.build, False),
    momentum.Config: (momentum.build, True),
    spectral.Config: (spectral.build, True),
}


@dataclass(frozen=True)
class Config:
    """An ensemble of attacks.

    Attributes:
        members: the configuration of each attack, in order; an earlier attack wins a tie.
    """

    members: tuple[Any, ...] = (apgd.Config(), pgd.Config(), padam.Config(), spectral.Config())


def build(config: Config) -> ResidualAttack:
    """Build the attack; its trace is the winner's, padded with its last value to the length of the longest."""

    def attack(key: Key, residual: Residual, threat: Threat, start: Array | None = None) -> AttackResult:
        loss = squared_norm(residual)
        results = []
        for member, member_key in zip(config.members, jax.random.split(key, len(config.members)), strict=True):
            make, sees_residual = _BUILDERS[type(member)]
            results.append(make(member)(member_key, residual if sees_residual else loss, threat, start))
        longest = max(result.trace.size for result in results)
        alike = [
            # Evaluate each loss at the result, whatever the attack reports; and make shapes that can be stacked.
            result._replace(
                loss=loss(result.delta),
                trace=jnp.pad(result.trace, (0, longest - result.trace.size), mode="edge"),
                restarts=jnp.zeros((), jnp.float32),
            )
            for result in results
        ]
        return strongest(jax.tree.map(lambda *leaves: jnp.stack(leaves), *alike))

    return attack


ATTACK = AttackEntry(Config, build, sees="residual")
