"""Attacks, one a file: a frozen Config and build(config) -> Attack; and the threat sets that they search."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from jaxcs.attacks import noise, pgd, two_step
from jaxcs.attacks.base import Attack, AttackResult, JointAttack, ResidualAttack
from jaxcs.attacks.threat import Threat

__all__ = ["ATTACKS", "Attack", "AttackEntry", "AttackResult", "JointAttack", "ResidualAttack", "Threat"]


class AttackEntry(NamedTuple):
    """An attack's configuration class and its builder.

    sees: what it asks of the method: its "loss", the "residual" whose squared norm that is, or the method's own
        "objective", so that it needs a method that has one.
    searches: whether it evaluates the method to find its perturbation, and so may search on a cheaper one.
    presets: named configurations.
    """

    config: type[Any]
    build: Callable[[Any], Any]
    presets: Mapping[str, Any] = MappingProxyType({})
    sees: Literal["loss", "residual", "objective"] = "loss"
    searches: bool = True


ATTACKS = {
    "pgd": AttackEntry(pgd.Config, pgd.build),
    "noise": AttackEntry(noise.Config, noise.build, searches=False),
    "two_step": AttackEntry(two_step.Config, two_step.build, two_step.PRESETS, sees="objective", searches=False),
}
