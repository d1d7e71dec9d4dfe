"""Attacks, one a file: a frozen Config and build(config) -> Attack; and the threat sets that they search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcs.attacks import noise, pgd, two_step
from jaxcs.attacks.base import Attack, AttackResult, JointAttack
from jaxcs.attacks.threat import Threat

__all__ = ["ATTACKS", "Attack", "AttackEntry", "AttackResult", "JointAttack", "Threat"]


class AttackEntry(NamedTuple):
    """An attack's configuration class and its builder.

    joint: whether it descends on the method's objective, so that it needs a method that has one.
    searches: whether it evaluates the method to find its perturbation, and so may search on a cheaper one.
    """

    config: type[Any]
    build: Callable[[Any], Any]
    joint: bool = False
    searches: bool = True


ATTACKS = {
    "pgd": AttackEntry(pgd.Config, pgd.build),
    "noise": AttackEntry(noise.Config, noise.build, searches=False),
    "two_step": AttackEntry(two_step.Config, two_step.build, joint=True, searches=False),
}
