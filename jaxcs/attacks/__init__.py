"""Attacks, one per file: a frozen Config and build(config) -> Attack, which searches a set of `jaxcs.threats`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from jaxcs.attacks import apgd, ensemble, grid, momentum, noise, padam, pgd, region, scout, spectral, spsa, two_step
from jaxcs.attacks.base import Attack, AttackResult, JointAttack, Path, PathAttack, ResidualAttack

__all__ = [
    "ATTACKS",
    "Attack",
    "AttackEntry",
    "AttackResult",
    "JointAttack",
    "Path",
    "PathAttack",
    "ResidualAttack",
]


class AttackEntry(NamedTuple):
    """An attack in the registry.

    Attributes:
        config: class of its configuration.
        build: builds the attack from a configuration.
        presets: named configurations.
        sees: what the attack needs of the method: its "loss"; the loss along a "path" of perturbations; the "residual",
            whose squared norm is the loss; or the method's "objective", which not every method has.
        searches: whether it evaluates the method to find its perturbation, and may therefore search on a cheaper
            method.
    """

    config: type[Any]
    build: Callable[[Any], Any]
    presets: Mapping[str, Any] = MappingProxyType({})
    sees: Literal["loss", "path", "residual", "objective"] = "loss"
    searches: bool = True


ATTACKS = {
    "scout": AttackEntry(scout.Config, scout.build, sees="path"),
    "pgd": AttackEntry(pgd.Config, pgd.build),
    "apgd": AttackEntry(apgd.Config, apgd.build, sees="path"),
    "padam": AttackEntry(padam.Config, padam.build, padam.PRESETS),
    "momentum": AttackEntry(momentum.Config, momentum.build, momentum.PRESETS, sees="residual"),
    "spectral": AttackEntry(spectral.Config, spectral.build, sees="residual"),
    "spsa": AttackEntry(spsa.Config, spsa.build),
    "region": AttackEntry(region.Config, region.build, region.PRESETS),
    "grid": AttackEntry(grid.Config, grid.build),
    "ensemble": AttackEntry(ensemble.Config, ensemble.build, sees="residual"),
    "noise": AttackEntry(noise.Config, noise.build, searches=False),
    "two_step": AttackEntry(two_step.Config, two_step.build, two_step.PRESETS, sees="objective", searches=False),
}
