"""The two-step attack of the ICML 2021 paper on methods that minimise an objective (section 3.2, eqs. 3 and 4).

The paper held that the gradient through an iterative solver is not available.  It descends jointly over the method's
variable x and the perturbation e,

    objective(x, y + e) - beta / 2 ||coils(x) - true coils||^2,    ||e|| <= radius;

in a second step, the method reconstructs from y + e anew.  The objective is minimised over e too, so that e helps x to
fit.  For the beta of the paper's code, this is unbounded below for l1, and x diverges.  The default replaces the
squared distance d^2 by d^2 / (1 + d^2 / s^2), which saturates at the squared norm s^2 of the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from jaxcs.attacks.base import AttackEntry, AttackResult, JointAttack
from jaxcs.complex import abs2, l2_norm
from jaxcs.threats.balls import Threat
from jaxcs.types import Key, Kspace, Variational

# Norm of e at the start, relative to the radius [-]; the published start, 1e-4 of the data, is a similar share of its
# largest radius.
_START = 1e-3


@dataclass(frozen=True)
class Config:
    """The joint descent.

    Attributes:
        n_steps: number of steps in all.
        warm_up: number of first steps in which e rests.
        beta: weight of the distance from the truth.
        optimiser: "descent" with steps in units of 1 / ||A||^2, or "adam".
        step: step size of x.
        perturbation_step: step size of e; for "adam" in units of the radius over the square root of the number of
            entries, so that it means the same on every scanner.
        bounded: whether the distance saturates.
    """

    n_steps: int = 350
    warm_up: int = 100
    beta: float = 0.5
    optimiser: Literal["descent", "adam"] = "descent"
    step: float = 0.283
    perturbation_step: float = 0.283
    bounded: bool = True


# Bounded settings for both kinds of method; then the settings of the paper's code (1e6 times the mean over
# 15 x 640 x 368 x 2 real entries is a step of 0.283).
PRESETS = {
    "l1": Config(),
    "untrained": Config(n_steps=400, beta=0.5, optimiser="adam", step=0.008, perturbation_step=0.1),
    "l1_published": Config(beta=1.0, bounded=False),
    "untrained_published": Config(
        n_steps=400, beta=0.05, optimiser="adam", step=0.008, perturbation_step=0.008, bounded=False
    ),
}


class _State(NamedTuple):
    x: Any
    delta: Array
    x_optimiser: Any
    delta_optimiser: Any


def build(config: Config) -> JointAttack:
    """Build the attack; its result is the last e, as published."""
    make = {"descent": optax.sgd, "adam": optax.adam}[config.optimiser]

    def attack(
        key: Key, problem: Variational, perturbed: Callable[[Array], Kspace], coils: Array, threat: Threat
    ) -> AttackResult:
        size = jnp.sum(abs2(coils))
        unit = jnp.ones((), jnp.float32)
        if config.optimiser == "adam":
            unit = jnp.mean(threat.radius) * jnp.sqrt(
                threat.radius.size / jnp.sum(threat.support, dtype=jnp.int32).astype(jnp.float32)
            )

        def loss(x: Any, delta: Array) -> Array:
            distance = jnp.sum(abs2(problem.coils(x) - coils))
            if config.bounded:
                distance = distance / (1 + distance / size)
            return problem.objective(x, perturbed(delta)) - 0.5 * config.beta * distance

        # Step sizes have units in which they are the same for every radius.
        x_optimiser, delta_optimiser = make(config.step), make(config.perturbation_step)

        def step(state: _State, i: Array) -> tuple[_State, tuple[Array, Array]]:
            value, slopes = jax.value_and_grad(loss, argnums=(0, 1))(state.x, state.delta)
            to_x, to_delta = jax.tree.map(jnp.conj, slopes)
            x_updates, x_state = x_optimiser.update(to_x, state.x_optimiser, state.x)
            delta_updates, delta_state = delta_optimiser.update(to_delta, state.delta_optimiser, state.delta)
            moved = threat.project(state.delta + unit * delta_updates)
            active = i >= config.warm_up
            new = _State(
                optax.apply_updates(state.x, x_updates),
                jnp.where(active, moved, state.delta),
                x_state,
                jax.tree.map(lambda new, old: jnp.where(active, new, old), delta_state, state.delta_optimiser),
            )
            # x diverges until its objective overflows; the result is e at that time.
            finite = jnp.isfinite(value)
            return jax.tree.map(lambda new, old: jnp.where(finite, new, old), new, state), (value, l2_norm(to_delta))

        delta = _START * threat.random(key)
        first = _State(problem.first, delta, x_optimiser.init(problem.first), delta_optimiser.init(delta))
        last, (values, norms) = jax.lax.scan(step, first, jnp.arange(config.n_steps))
        blind = norms[min(config.warm_up, config.n_steps - 1)]
        return AttackResult(last.delta, -values[-1], -values, blind, -values[-1:])

    return attack


ATTACK = AttackEntry(Config, build, PRESETS, sees="objective", searches=False)
