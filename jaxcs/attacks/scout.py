"""Gradient ascent that searches for the worst rows: first all bands of rows, then the worst few, then the worst.

A perturbation of a few rows harms a regularised reconstruction most, and each place for these rows is a local maximum.
From a random start, an ascent spreads over all rows and ends far below these maxima.  But rows are measured separately,
and a regulariser couples only a few rows, so a perturbation of one band harms only that band.  Therefore all bands are
attacked at once, each with the whole radius: one evaluation gives the harm of every band.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxcs.attacks.base import AttackEntry, AttackResult, Loss, Path, PathAttack, path_of, restarted
from jaxcs.complex import abs2, l2_norm, safe_sqrt
from jaxcs.fourier import from_rows, to_rows
from jaxcs.threats.balls import Threat
from jaxcs.types import Key

# Number of bands at first, and number of bands that stay; no two of these are neighbours.
_BANDS, _STAY = 16, 6
# Shares of the steps with all bands, and with the bands that stay [-]; the other steps climb from the worst band.
_ALL, _STAYING = 0.3, 0.3
# Decay of the momentum [-]; on l1, 15 steps with momentum achieve what takes 30 without.
_MOMENTUM = 0.85


@dataclass(frozen=True)
class Config:
    """velocity <- 0.85 velocity + boundary(gradient), e <- boundary(e + step_size * velocity), for each cell of rows.

    In the first steps, the cells are 16 bands of rows.  Then the 6 worst bands stay, of which no two are neighbours,
    and the rows are divided among them.  Finally the worst band has all rows.  Cells need perturbations that have rows
    (`Threat.domain`) and losses by row (`Path`); otherwise there is one cell from the beginning.

    Attributes:
        n_steps: gradient evaluations of each restart.
        restarts: number of random starts; the strongest result is kept.
        step_size: step size in units of the radius [-].
    """

    n_steps: int = 40
    restarts: int = 1
    step_size: float = 2.0


class _State(NamedTuple):
    """State of a climb: `cells` is the cell of each row, `losses` is by cell.

    `best` has the rows of the perturbation that harmed their cell most.
    """

    delta: Array
    velocity: Array
    cells: Int[Array, "ny"]
    best: Array
    losses: Float[Array, "cell"]
    memory: Any


def build(config: Config) -> PathAttack:
    """Build the attack; its trace covers the steps with one cell."""

    def attack(key: Key, loss: Loss | Path, threat: Threat, start: Array | None = None) -> AttackResult:
        path, by_rows = path_of(loss), isinstance(loss, Path) and threat.domain is not None
        climb = partial(_climb, config, path, threat, by_rows)
        return restarted(climb, key, threat, start, config.restarts)

    return attack


def _climb(config: Config, path: Path, threat: Threat, by_rows: bool, start: Array) -> AttackResult:
    n_all, n_staying = (int(share * config.n_steps) if by_rows else 0 for share in (_ALL, _STAYING))
    n_apart = n_all + n_staying
    ny = threat.support.shape[-2] if by_rows else 1
    rows_of = partial(to_rows, domain=threat.domain) if by_rows else lambda x: x
    back = partial(from_rows, domain=threat.domain) if by_rows else lambda x: x
    boundary = partial(_each_boundary, threat) if by_rows else lambda x, cells: threat.boundary(x)

    def step(state: _State, index: Array) -> tuple[_State, tuple[Array, Array]]:
        rows, gradient, memory = path.ascend(state.delta, state.memory)
        harmed = _by_cell(_centred(rows, ny) if by_rows else jnp.sum(rows)[None], state.cells)
        # A loss of NaN is kept for good, so that it is seen.
        worse = ~(harmed <= state.losses) & ~jnp.isnan(state.losses)
        best = jnp.where(worse[state.cells][:, None] if by_rows else worse[0], rows_of(state.delta), state.best)
        losses = jnp.where(worse, harmed, state.losses).astype(state.losses.dtype)
        velocity = _MOMENTUM * state.velocity + boundary(gradient, state.cells)
        delta = boundary(state.delta + config.step_size * velocity, state.cells)
        state = _State(delta, velocity, state.cells, best, losses, memory)
        for at, count in ((n_all, _STAY), (n_apart, 1)):
            if by_rows and at:
                state = jax.lax.cond(index + 1 == at, partial(narrowed, count), lambda state: state, state)
        return state, (jnp.sum(rows), l2_norm(gradient))

    def narrowed(count: int, state: _State) -> _State:
        kept, cells = _narrowed(count, state.losses, state.cells)
        delta = boundary(back(jnp.where(kept[:, None], state.best, 0)), cells)
        # A remembered harm that is no longer done would count as the best.
        return _State(delta, jnp.zeros_like(delta), cells, state.best, nothing, path.first)

    cells = jnp.arange(ny) * (_BANDS if n_all else 1) // ny
    nothing = jnp.full(_BANDS, -jnp.inf, jnp.float32)
    first = boundary(start, cells)
    begin = _State(first, jnp.zeros_like(first), cells, rows_of(first), nothing, path.first)
    last, (losses, norms) = jax.lax.scan(step, begin, jnp.arange(config.n_steps))
    return AttackResult(threat.boundary(back(last.best)), last.losses[0], losses[n_apart:], norms[0], last.losses[0])


def _each_boundary(threat: Threat, direction: Array, cells: Int[Array, "ny"]) -> Array:
    """The direction, scaled so that each cell has the whole radius."""
    rows = to_rows(direction, threat.domain)
    energy = jnp.sum(abs2(rows), axis=-1)
    if threat.radius.ndim == 0:
        energy = jnp.sum(energy, axis=tuple(range(energy.ndim - 1)), keepdims=True)
    size = safe_sqrt(_by_cell(energy, cells))[..., cells][..., None]
    scale = jnp.where(size > 0, threat.radius / jnp.where(size > 0, size, 1.0), 0.0)
    return jnp.where(threat.support, from_rows(rows * scale, threat.domain), 0)


def _narrowed(count: int, losses: Array, cells: Int[Array, "ny"]) -> tuple[Array, Array]:
    """The rows of the `count` worst cells, no two of which are neighbours; and the nearest such cell of each row.

    Cells are in the order of their rows.
    """
    place = jnp.arange(losses.size)
    member = jax.nn.one_hot(cells, losses.size, axis=0)
    total = jnp.matmul(member, jnp.arange(cells.size, dtype=member.dtype), precision=jax.lax.Precision.HIGHEST)
    centres = total / jnp.maximum(jnp.sum(member, axis=1), 1)
    chosen, left = [], jnp.where(jnp.sum(member, axis=1) > 0, losses, -jnp.inf)
    for _ in range(count):
        worst = jnp.argmax(left)
        chosen.append(worst)
        left = jnp.where(jnp.abs(place - worst) <= 1, -jnp.inf, left)
    order = jnp.sort(jnp.stack(chosen))
    kept = jnp.any(cells[:, None] == order, axis=1)
    distance = jnp.abs(jnp.arange(cells.size)[:, None] - centres[order])
    return kept, jnp.argmin(distance, axis=1).astype(cells.dtype)


def _by_cell(x: Float[Array, "*parts ny"], cells: Int[Array, "ny"]) -> Float[Array, "*parts cell"]:
    """Sums over the rows of each cell."""
    return jnp.matmul(x, jax.nn.one_hot(cells, _BANDS, dtype=x.dtype), precision=jax.lax.Precision.HIGHEST)


def _centred(rows: Float[Array, "row"], ny: int) -> Float[Array, "ny"]:
    """The rows of a crop, padded to the rows of the whole image about its centre."""
    before = (ny - rows.size) // 2
    return jnp.pad(rows, (before, ny - rows.size - before))


ATTACK = AttackEntry(Config, build, sees="path")
