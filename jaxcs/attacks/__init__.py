"""Attacks, one a file: a frozen Config and build(config) -> Attack; and the threat sets that they search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxcs.attacks import noise, pgd
from jaxcs.attacks.base import Attack, AttackResult
from jaxcs.attacks.threat import Threat

__all__ = ["ATTACKS", "Attack", "AttackEntry", "AttackResult", "Threat"]


class AttackEntry(NamedTuple):
    """An attack's configuration class and its builder."""

    config: type[Any]
    build: Callable[[Any], Attack]


ATTACKS = {
    "pgd": AttackEntry(pgd.Config, pgd.build),
    "noise": AttackEntry(noise.Config, noise.build),
}
