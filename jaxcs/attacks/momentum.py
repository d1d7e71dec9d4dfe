"""Gradient ascent with momentum on a perturbation of the image (Antun et al., PNAS 2020, Algorithm 1).

    Q(r) = 1/2 ||residual(r)||^2 - penalty / 2 ||r||^2,    v <- decay v + step grad Q(r),    r <- r + v,

from r = start * U[0, 1), real as published.  r has the units of the image, whose peak is about 1, and so the step has
none.  The published attack has no budget, and its strength is its number of steps; ours stops at the threat set: an r
that leaves it is projected, and only then.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import AttackResult, Residual, ResidualAttack, squared_norm
from jaxcs.complex import l2_norm, value_and_ascent
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """The ascent; its result is the last r.

    penalty: lambda, of the squared norm of r, relative to that of the residual; where it exceeds the squared gain of
        the method, r shrinks.  step: eta, of the gradient.  start: tau, size of each pixel at the start [image units].
    n_steps: gradient evaluations.  decay: gamma, of the momentum.
    """

    penalty: float = 0.001
    step: float = 0.1
    start: float = 0.01
    n_steps: int = 100
    decay: float = 0.9


# The rows of the paper's table of parameters, with the most steps of each.  The residual p(x) is against the clean
# output, except for automap_fig7, where it is against the truth (the authors' code has these two the other way round).
PRESETS = {
    "deepmri": Config(penalty=0.001, step=0.01, start=0.01, n_steps=6000),  # also 2000 and 4000
    "automap_fig2": Config(penalty=0.1, step=0.001, start=1e-5, n_steps=24),  # also 12, 16, 20
    "automap_fig7": Config(penalty=0.1, step=0.001, start=1e-5, n_steps=183),  # also 160, 170, 177
    "mri_vn": Config(penalty=1.0, step=0.005, start=0.001, n_steps=25),
    "med50": Config(penalty=20.0, step=0.005, start=0.005, n_steps=100),  # filtered back-projection for the adjoint
}


class _State(NamedTuple):
    delta: Array
    velocity: Array


def build(config: Config) -> ResidualAttack:
    """The attack; see `Config`."""

    def attack(key: Key, residual: Residual, threat: Threat, start: Array | None = None) -> AttackResult:
        loss = squared_norm(residual)
        ascend = value_and_ascent(loss)

        def step(state: _State, _: None) -> tuple[_State, tuple[Array, Array]]:
            value, gradient = ascend(state.delta)
            slope = gradient / 2 - config.penalty * state.delta
            velocity = config.decay * state.velocity + config.step * slope
            return _State(threat.project(state.delta + velocity), velocity), (value, l2_norm(gradient))

        if start is None:
            uniform = config.start * jax.random.uniform(key, threat.support.shape, jnp.float32)
            delta = threat.project(uniform if threat.real else uniform.astype(jnp.complex64))
        else:
            delta = threat.boundary(start)
        last, (losses, norms) = jax.lax.scan(step, _State(delta, jnp.zeros_like(delta)), None, length=config.n_steps)
        value = loss(last.delta)
        return AttackResult(last.delta, value, losses, norms[0], value[None])

    return attack
