"""Auto-PGD: projected gradient ascent that adapts its step size (Croce & Hein, ICML 2020, section 3, Algorithm 1).

This version is for l2 balls and any loss: the gradient is normalised, as in the authors' l2 code, not reduced to its
sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcs.attacks.base import AttackEntry, AttackResult, Best, Loss, Path, PathAttack, keep_best, path_of, restarted
from jaxcs.complex import l2_norm
from jaxcs.threats.balls import Threat
from jaxcs.types import Key

# The paper's constants: the share of a step that is not momentum, and the share of the steps between two checkpoints
# that
# must raise the loss for the step size to stay.
_ALPHA = 0.75
_RHO = 0.75


@dataclass(frozen=True)
class Config:
    """Ascent with momentum; the step size is halved at checkpoints if the loss has risen too seldom.

    Attributes:
        n_steps: gradient evaluations of each restart, the first at its start; the best of these points is the result.
        restarts: number of random starts; the strongest result is kept.
        step_size: first step size, in units of the radius [-].
    """

    n_steps: int = 20
    restarts: int = 1
    step_size: float = 2.0


class _State(NamedTuple):
    delta: Array
    previous: Array
    value: Array
    best: Best
    step_size: Array
    n_rises: Array
    # Values at the last checkpoint.
    checked_step: Array
    checked_loss: Array
    memory: Any


def checkpoints(n_steps: int) -> list[int]:
    """Return the points ceil(p_j n_steps): p_1 = 0.22, p_{j+1} = p_j + max(p_j - p_{j-1} - 0.03, 0.06)."""
    before, now, found = 0, 22, []
    # Count in hundredths, because 0.22 + 0.19 is not 0.41 in floating point.
    while (point := -(-now * n_steps // 100)) < n_steps:
        found.append(point)
        before, now = now, now + max(now - before - 3, 6)
    return sorted(set(found))


def build(config: Config) -> PathAttack:
    """Build the attack; see `Config`."""

    def attack(key: Key, loss: Loss | Path, threat: Threat, start: Array | None = None) -> AttackResult:
        path = path_of(loss)
        return restarted(lambda start: climb(config, path, threat, start), key, threat, start, config.restarts)

    return attack


def climb(config: Config, path: Path, threat: Threat, start: Array) -> AttackResult:
    """Run the attack from one start.

    Args:
        config: settings of the attack.
        path: the loss.
        threat: the threat set.
        start: first perturbation.

    Returns:
        The best point, with its loss and trace.
    """
    checked = checkpoints(config.n_steps)
    periods = np.zeros(config.n_steps, np.int32)
    periods[checked] = np.diff([0, *checked])
    # The first step has no momentum.
    alphas = np.where(np.arange(config.n_steps) > 0, _ALPHA, 1.0).astype(np.float32)

    def step(state: _State, plan: tuple[Array, Array]) -> tuple[_State, tuple[Array, Array]]:
        alpha, period = plan
        rows, gradient, memory = path.ascend(state.delta, state.memory)
        value = jnp.sum(rows).astype(state.value.dtype)
        best = keep_best(state.best, (state.delta, gradient), value)
        n_rises = state.n_rises + (value > state.value)
        check = period > 0
        stuck = (state.step_size == state.checked_step) & (best.loss == state.checked_loss)
        halve = check & ((n_rises < jnp.float32(_RHO) * period) | stuck)
        delta, slope = jax.tree.map(lambda a, b: jnp.where(halve, a, b), best.point, (state.delta, gradient))
        step_size = jnp.where(halve, state.step_size / 2, state.step_size)
        moved = threat.project(delta + step_size * threat.boundary(slope))
        moved = threat.project(delta + alpha * (moved - delta) + (1 - alpha) * (delta - state.previous))
        state = _State(
            moved,
            delta,
            value,
            best,
            step_size,
            jnp.where(check, 0, n_rises),
            jnp.where(check, state.step_size, state.checked_step),
            jnp.where(check, best.loss, state.checked_loss),
            memory,
        )
        return state, (value, l2_norm(gradient))

    infinity, size = jnp.float32(jnp.inf), jnp.float32(config.step_size)
    best = Best((start, jnp.zeros_like(start)), -infinity)
    first = _State(start, start, infinity, best, size, jnp.int32(0), size, -infinity, path.first)
    last, (losses, norms) = jax.lax.scan(step, first, (jnp.asarray(alphas), jnp.asarray(periods)))
    return AttackResult(last.best.point[0], last.best.loss, losses, norms[0], last.best.loss)


ATTACK = AttackEntry(Config, build, sees="path")
