"""Projected Adam (Genzel et al., 2020, and the ICML 2021 paper on trained networks): e <- project(e + Adam's step).

Adam treats real and imaginary parts as separate entries and divides each by its root mean square.  With the published
constants, every entry moves by the same amount, and the ascent ends with e parallel to sign(gradient).  This is not the
worst case of an l2 ball.  A large `eps` overrules the division and leaves ascent along the mean gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxcs.attacks.base import Attack, AttackEntry, AttackResult, Best, Loss, entry_size, keep_best, restarted
from jaxcs.complex import l2_norm, value_and_ascent
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """Adam with the usual decays 0.9 and 0.999.

    Attributes:
        n_steps: gradient evaluations of each restart, the first at its start; the best of these points is the result.
        restarts: number of random starts; the strongest result is kept.
        learning_rate: in units of the radius over the square root of the number of real entries [-].  With a small eps,
            the first step then has the length learning_rate * radius; with a large eps, that length over eps.
        eps: relative to the root mean square of the first gradient [-].
        start_size: norm of the random starts, in units of the radius [-].
    """

    n_steps: int = 20
    restarts: int = 1
    learning_rate: float = 1000.0
    eps: float = 100.0
    start_size: float = 1.0


# genzel2020: the learning rate 5 in images of mean 1 (320 x 320, about 17 % measured) is about 100 at their largest
# noise
#   level, 2.5 %, and more at lower levels: e is the direction of Adam's step, whatever its length.  Their starts of 3
#   radii are on the boundary after one projection.
# rc2021: the learning rates are in raw units, 1e-6 and 5e-9.  For their knees (15 x 640 x 368 entries, ||k|| about
# 0.06)
#   and their epsilon of 0.08, 1e-6 * sqrt(2 * 15 * 640 * 368) = 2.7e-3 is 0.55 of the radius 0.08 * 0.06.  This is a
#   rough figure for the threat set `whole_kspace`.  They start at 1e-4 ||k||, 1/800 of the radius.
# Both eps are absolute in the codes; ours are as small relative to the gradient as Genzel's (about 1e-4), or smaller.
PRESETS = {
    "genzel2020": Config(n_steps=250, restarts=6, learning_rate=100.0, eps=1e-5),
    "rc2021_varnet": Config(n_steps=2000, learning_rate=0.55, eps=1e-8, start_size=1.25e-3),
    "rc2021_unet": Config(n_steps=2000, learning_rate=0.0028, eps=1e-8, start_size=1.25e-3),
}


class _State(NamedTuple):
    delta: Array
    best: Best
    optimiser: Any
    scale: Array


def build(config: Config) -> Attack:
    """Build the attack; see `Config`."""
    optimiser = optax.adam(config.learning_rate, eps=config.eps)

    def climb(loss: Loss, threat: Threat, start: Array) -> AttackResult:
        ascend = value_and_ascent(loss)
        unit = entry_size(threat)
        n_entries = jnp.maximum(jnp.sum(threat.support, dtype=jnp.int32), 1) * (1 if threat.real else 2)
        root = jnp.sqrt(n_entries.astype(jnp.float32))

        def step(state: _State, _: None) -> tuple[_State, tuple[Array, Array]]:
            value, gradient = ascend(state.delta)
            gradient = jnp.where(threat.support, gradient, 0)
            norm = l2_norm(gradient)
            # The scale of the first gradient that is not 0.
            scale = jnp.where(state.scale > 0, state.scale, norm / root)
            parts = _parts(-gradient / jnp.where(scale > 0, scale, 1.0))
            updates, optimiser_state = optimiser.update(parts, state.optimiser)
            moved = threat.project(state.delta + unit * _whole(updates))
            return _State(moved, keep_best(state.best, state.delta, value), optimiser_state, scale), (value, norm)

        best = Best(start, jnp.float32(-jnp.inf))
        first = _State(start, best, optimiser.init(_parts(start)), jnp.zeros((), jnp.float32))
        last, (losses, norms) = jax.lax.scan(step, first, None, length=config.n_steps)
        return AttackResult(last.best.point, last.best.loss, losses, norms[0], last.best.loss)

    def attack(key: Key, loss: Loss, threat: Threat, start: Array | None = None) -> AttackResult:
        climb_from = lambda start: climb(loss, threat, start)  # noqa: E731
        return restarted(climb_from, key, threat, start, config.restarts, config.start_size)

    return attack


def _parts(z: Array) -> tuple[Array, ...]:
    return (jnp.real(z), jnp.imag(z)) if jnp.iscomplexobj(z) else (z,)


def _whole(parts: tuple[Array, ...]) -> Array:
    return jax.lax.complex(*parts) if len(parts) == 2 else parts[0]


ATTACK = AttackEntry(Config, build, PRESETS)
