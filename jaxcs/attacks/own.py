"""A function of one's own as an attack: its entry, and its trial on a threat set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Loss
from jaxcs.threats.balls import Threat
from jaxcs.types import Key

# A perturbation may be larger than allowed by a rounding error.
_ROUNDING = 1e-3
SIGNATURE = "(key, loss, threat)"


@dataclass(frozen=True)
class Config:
    """The function has no settings.

    Attributes:
        evaluations: gradient evaluations at each epsilon, assumed until the function has been tried.
    """

    evaluations: int = 10


def entry_of(function: Callable[..., Any]) -> AttackEntry:
    """Make the entry of a function (key, loss, threat) -> AttackResult, see `jaxcs.attacks.Attack`."""

    def build(config: Config) -> Attack:
        del config

        def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
            del start
            found = function(key, loss, threat)
            problem = result_problem(found, threat)
            if problem is not None:
                raise TypeError(problem)
            return AttackResult(*map(jnp.asarray, found))

        return attack

    return AttackEntry(Config, build)


def result_problem(found: Any, threat: Threat) -> str | None:
    """Say what is wrong with the form of what a function returned, or return None."""
    if not isinstance(found, AttackResult):
        wanted = f"jaxcs.attacks.AttackResult({', '.join(AttackResult._fields)})"
        return f"returns {type(found).__name__}; return {wanted}"
    for name, dimensions in (("delta", threat.support.ndim), ("loss", 0), ("trace", 1), ("gradient_norm", 0)):
        if jnp.ndim(getattr(found, name)) != dimensions:
            return f"returns a {name} of {jnp.shape(getattr(found, name))}; it must have {dimensions} axes"
    if jnp.shape(found.delta) != threat.support.shape:
        return f"returns a delta of {jnp.shape(found.delta)}; return one of {threat.support.shape}, as threat.support"
    return None


def tried(attack: Attack, threat: Threat, key: Key) -> Config:
    """Search a threat set for the largest distance from one of its points, which costs no reconstruction.

    Args:
        attack: the attack, built from `entry_of`.
        threat: the set.
        key: random key.

    Returns:
        The configuration with the number of gradient evaluations.

    Raises:
        ValueError: the perturbation is larger than allowed, or not finite; in one line.
    """
    centre = threat.random(key)

    def search(key: Key) -> tuple[Array, Array, Array]:
        found = attack(key, lambda delta: jnp.sum(jnp.abs(delta - centre) ** 2), threat)
        share = threat.norm(found.delta) / jnp.where(threat.radius > 0, threat.radius, 1.0)
        return jnp.max(share), jnp.all(jnp.isfinite(found.delta)), found.trace

    share, finite, trace = jax.jit(search)(key)
    if not bool(finite):
        raise ValueError("returns a perturbation with NaN or infinity, of a loss that is quadratic")
    if float(share) > 1 + _ROUNDING:
        times = f"{float(share):.3g} times the allowed size"
        raise ValueError(f"returns a perturbation of {times}; return threat.project(delta)")
    return Config(trace.size)
