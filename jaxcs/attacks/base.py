"""What every attack takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxcs.complex import value_and_ascent
from jaxcs.threats.balls import Threat
from jaxcs.types import Key, Kspace, Variational

Delta = Inexact[Array, "*axes"]
Loss = Callable[[Delta], Float[Array, ""]]
Residual = Callable[[Delta], Float[Array, "*axes"]]


class Path(NamedTuple):
    """A loss at perturbations that follow each other, whose evaluation may go on from where the last one ended.

    first: what is remembered before the first evaluation, a pytree.
    ascend: perturbation, memory -> the loss of each row of the image, whose sum is the loss; its direction of steepest
        ascent; memory.
    """

    first: Any
    ascend: Callable[[Delta, Any], tuple[Float[Array, "row"], Delta, Any]]


def path_of(loss: Loss | Path) -> Path:
    """A loss that remembers nothing, as a path; all of it counts as one row."""
    if isinstance(loss, Path):
        return loss
    evaluate = value_and_ascent(loss)

    def ascend(delta: Delta, memory: Any) -> tuple[Array, Delta, Any]:
        value, direction = evaluate(delta)
        return value[None], direction, memory

    return Path((), ascend)


class AttackResult(NamedTuple):
    """The strongest perturbation that an attack found.

    delta: in the threat set, shaped like its support.  loss: its loss.
    trace: (n_evaluations,) the loss at every point where the gradient was taken, of the best restart.
    gradient_norm: the gradient's norm at the first point; 0 means that the attack was blind.
    restarts: (n_restarts,) the loss that each restart reached, in order; of a single climb its own.
    """

    delta: Delta
    loss: Float[Array, ""]
    trace: Float[Array, "evaluation"]
    gradient_norm: Float[Array, ""]
    restarts: Float[Array, "*restart"]


class Attack(Protocol):
    """Searches a threat set for the perturbation of largest loss, knowing nothing of what lies behind either."""

    def __call__(self, key: Key, loss: Loss, threat: Threat, start: Delta | None = None) -> AttackResult:
        """Maximise `loss` over `threat`.

        start: a perturbation to begin from, such as the one found for a smaller radius; scaled onto the boundary.
        None begins at a random point of it.
        """
        ...


class PathAttack(Protocol):
    """The same, for attacks that go along a path."""

    def __call__(self, key: Key, loss: Loss | Path, threat: Threat, start: Delta | None = None) -> AttackResult:
        """Maximise the loss over `threat`; see `Attack`."""
        ...


class ResidualAttack(Protocol):
    """The same, for attacks that have to see more than a number: the loss is the squared norm of `residual`."""

    def __call__(self, key: Key, residual: Residual, threat: Threat, start: Delta | None = None) -> AttackResult:
        """Maximise ||residual(e)||^2 over `threat`; see `Attack`."""
        ...


class JointAttack(Protocol):
    """Searches a threat set by descending on a method's own objective, variable and perturbation together."""

    def __call__(
        self,
        key: Key,
        problem: Variational,
        perturbed: Callable[[Delta], Kspace],
        coils: Kspace,
        threat: Threat,
    ) -> AttackResult:
        """Drive the method's coil images away from `coils`, the true ones.

        perturbed: a perturbation -> the k-space that the method then sees.
        """
        ...


class Best(NamedTuple):
    """The best point so far, a pytree, and its loss."""

    point: Any
    loss: Array


def keep_best(best: Best, point: Any, loss: Array) -> Best:
    """Remember `point` where it is the best so far.  A loss of NaN is kept for good, so that it is seen."""
    better = ~(loss <= best.loss) & ~jnp.isnan(best.loss)
    # Of a method in float64 the loss has that type, and what a loop carries must keep its own.
    now = Best(point, loss.astype(best.loss.dtype))
    return jax.tree.map(lambda new, old: jnp.where(better, new, old), now, best)


def restarted(
    climb: Callable[[Delta], AttackResult], key: Key, threat: Threat, start: Delta | None, n: int, size: float = 1.0
) -> AttackResult:
    """The strongest of n climbs, from `start` on the boundary and then from random points of norm size * radius."""
    starts = [size * threat.random(k) for k in jax.random.split(key, n)]
    if start is not None:
        starts[0] = threat.boundary(start)
    # One restart after another, so that memory does not grow with their number.
    return strongest(jax.lax.map(climb, jnp.stack(starts)))


def entry_size(threat: Threat) -> Float[Array, "*parts"]:
    """How large each real entry of a perturbation on the boundary is when all are equal, shaped like the radius."""
    axes = None if threat.radius.ndim == 0 else (-2, -1)
    n_free = jnp.sum(threat.support, axes, jnp.int32, keepdims=threat.radius.ndim > 0)
    n_entries = jnp.maximum(n_free * (1 if threat.real else 2), 1)
    return threat.radius / jnp.sqrt(n_entries.astype(jnp.float32))


def strongest(results: AttackResult) -> AttackResult:
    """Of restarts stacked along the first axis of every leaf, the one of largest loss."""
    best = jax.tree.map(lambda leaf: leaf[jnp.argmax(results.loss)], results)
    return best._replace(restarts=results.loss)


def squared_norm(residual: Residual) -> Loss:
    """The loss of a residual."""
    return lambda delta: jnp.sum(residual(delta) ** 2)
