"""Attacks, one per file: a frozen Config and build(config) -> Attack, which searches a set of `jaxcs.threats`."""

from __future__ import annotations

from jaxcs import catalogue
from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, JointAttack, Path, PathAttack, ResidualAttack
from jaxcs.registry import Registry

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


ATTACKS: Registry[AttackEntry] = Registry(catalogue.ATTACKS, AttackEntry, catalogue.ATTACK_GROUP)
