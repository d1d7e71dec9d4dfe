"""Auto-PGD from starts that were looked for: in all bands of rows at once, and from outside the ball.

A reconstruction error that grows with the perturbation has many local maxima, each a stripe of a few rows.  A random
start ends in whichever is near.  Two searches see more of them for the price of one climb each:

bands: a perturbation of one band of rows harms that band alone, because rows are measured apart and regularisers and
    receptive fields are small.  So every band gets the whole radius at once, and the band that is harmed most is kept.
outside: in a ball of several times the radius the loss is larger and smoother.  What is worst there, scaled down, is a
    better start than what grew from inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcs.attacks import apgd
from jaxcs.attacks.base import AttackResult, Loss, Path, PathAttack, path_of, strongest
from jaxcs.attacks.threat import Threat
from jaxcs.complex import abs2, safe_sqrt
from jaxcs.fourier import from_rows, to_rows
from jaxcs.types import Key

# How many bands there are, and how large the ball outside is, in units of the radius.
_BANDS, _OUTSIDE = 16, 4.0


@dataclass(frozen=True)
class Config:
    """Half of the steps look for a start, and half climb from it; once by bands and once from outside.

    Bands are for perturbations that have rows (`Threat.domain`), and for losses that are told by rows (`Path`).

    n_steps: gradient evaluations of each of the two; a single one takes a random start.
    restarts: how often both are done, each time from another random point; the strongest result is kept.
    step_size: the first one, in units of the radius.
    """

    n_steps: int = 20
    restarts: int = 1
    step_size: float = 2.0


def build(config: Config) -> PathAttack:
    """The attack; its trace is that of the climb."""
    scouting = config.n_steps // 2
    climbing = apgd.Config(n_steps=config.n_steps - scouting, step_size=config.step_size)

    def from_bands(path: Path, threat: Threat, start: Array) -> AttackResult:
        found = _worst_band(path, threat, start, scouting, config.step_size)
        return apgd.climb(climbing, path, threat, threat.boundary(found))

    def from_outside(path: Path, threat: Threat, start: Array) -> AttackResult:
        wide = replace(threat, radius=_OUTSIDE * threat.radius)
        found = apgd.climb(replace(climbing, n_steps=scouting), path, wide, wide.boundary(start))
        return apgd.climb(climbing, path, threat, threat.boundary(found.delta))

    def attack(key: Key, loss: Loss | Path, threat: Threat, start: Array | None = None) -> AttackResult:
        path = path_of(loss)
        starts = [threat.random(k) for k in jax.random.split(key, config.restarts)]
        if start is not None:
            starts[0] = threat.boundary(start)
        searches: list[Callable[[Path, Threat, Array], AttackResult]]
        by_rows = isinstance(loss, Path) and threat.domain is not None
        searches = [from_bands, from_outside] if by_rows else [from_outside]
        if not scouting:
            searches = [partial(apgd.climb, climbing)]

        def stronger(start: Array) -> AttackResult:
            found = [search(path, threat, start) for search in searches]
            best = strongest(jax.tree.map(lambda *leaves: jnp.stack(leaves), *found))
            return best._replace(restarts=best.loss)

        # One after another, so that memory does not grow with their number.
        return strongest(jax.lax.map(stronger, jnp.stack(starts)))

    return attack


def _worst_band(path: Path, threat: Threat, start: Array, n_steps: int, step_size: float) -> Array:
    """The perturbation of the band that is harmed most."""
    ny = threat.support.shape[-2]

    def on_every_boundary(direction: Array) -> Array:
        """Scaled so that each band has the whole radius."""
        rows = to_rows(direction, threat.domain)
        energy = jnp.sum(abs2(rows), axis=-1, keepdims=True)
        if threat.radius.ndim == 0:
            energy = jnp.sum(energy, axis=tuple(range(energy.ndim - 2)), keepdims=True)
        size = safe_sqrt(_of_each(_by_band(energy, ny), ny))
        scale = jnp.where(size > 0, threat.radius / jnp.where(size > 0, size, 1.0), 0.0)
        return jnp.where(threat.support, from_rows(rows * scale, threat.domain), 0)

    def step(carry: tuple[Array, Array, Array, object], _: None) -> tuple[tuple[Array, Array, Array, object], None]:
        delta, best, losses, memory = carry
        rows, gradient, memory = path.ascend(delta, memory)
        harmed = _by_band(rows[:, None], ny)[:, 0]
        better = _of_each((harmed > losses)[:, None], ny)
        best = jnp.where(better, to_rows(delta, threat.domain), best)
        moved = on_every_boundary(delta + step_size * on_every_boundary(gradient))
        return (moved, best, jnp.maximum(losses, harmed).astype(losses.dtype), memory), None

    first = on_every_boundary(start)
    losses = jnp.full(_BANDS, -jnp.inf, jnp.float32)
    begin = (first, to_rows(first, threat.domain), losses, path.first)
    (_, best, losses, _), _ = jax.lax.scan(step, begin, None, length=n_steps)
    kept = _of_each((jnp.arange(_BANDS) == jnp.argmax(losses))[:, None], ny)
    return from_rows(jnp.where(kept, best, 0), threat.domain)


def _band_of(ny: int) -> np.ndarray:
    return np.arange(ny) * _BANDS // ny


def _by_band(x: Array, ny: int) -> Array:
    """(..., row, n) summed to (..., band, n).  Rows of a crop, which are fewer, are the centre's."""
    offset = (ny - x.shape[-2]) // 2
    member = jax.nn.one_hot(_band_of(ny)[offset : offset + x.shape[-2]], _BANDS, axis=0, dtype=x.dtype)
    return member @ x


def _of_each(x: Array, ny: int) -> Array:
    """(..., band, n) to (..., row, n): each row has what its band has."""
    return x[..., _band_of(ny), :]
