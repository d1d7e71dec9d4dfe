"""The arguments and the result of every attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol

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
    """A loss at consecutive perturbations; its evaluation may continue from the result of the last.

    Attributes:
        first: memory before the first evaluation, a pytree.
        ascend: perturbation, memory -> the loss of each row of the image, whose sum is the loss; the direction of
            steepest ascent; memory.
    """

    first: Any
    ascend: Callable[[Delta, Any], tuple[Float[Array, "row"], Delta, Any]]


def path_of(loss: Loss | Path) -> Path:
    """Return a loss without memory as a path; all of it counts as one row."""
    if isinstance(loss, Path):
        return loss
    evaluate = value_and_ascent(loss)

    def ascend(delta: Delta, memory: Any) -> tuple[Array, Delta, Any]:
        value, direction = evaluate(delta)
        return value[None], direction, memory

    return Path((), ascend)


class AttackResult(NamedTuple):
    """The strongest perturbation that an attack found.

    Attributes:
        delta: perturbation in the threat set, shaped like its support.
        loss: its loss.
        trace: (n_evaluations,) loss at each point with a gradient evaluation, in the best restart.
        gradient_norm: norm of the gradient at the first point; 0 means that the attack was blind.
        restarts: (n_restarts,) loss that each restart reached, in order; a climb has its loss here.
    """

    delta: Delta
    loss: Float[Array, ""]
    trace: Float[Array, "evaluation"]
    gradient_norm: Float[Array, ""]
    restarts: Float[Array, "*restart"]


class Attack(Protocol):
    """A search of a threat set for the perturbation of largest loss; it knows neither operator nor metric."""

    def __call__(self, key: Key, loss: Loss, threat: Threat, start: Delta | None = None) -> AttackResult:
        """Maximise `loss` over `threat`.

        Args:
            key: random key.
            loss: the loss.
            threat: the threat set.
            start: a first perturbation, for example that of a smaller radius; it is scaled onto the boundary.  None
                starts at a random point of the boundary.
        """
        ...


class PathAttack(Protocol):
    """An attack that moves along a path."""

    def __call__(self, key: Key, loss: Loss | Path, threat: Threat, start: Delta | None = None) -> AttackResult:
        """Maximise the loss over `threat`; see `Attack`."""
        ...


class ResidualAttack(Protocol):
    """An attack that needs more than a number: the loss is the squared norm of `residual`."""

    def __call__(self, key: Key, residual: Residual, threat: Threat, start: Delta | None = None) -> AttackResult:
        """Maximise ||residual(e)||^2 over `threat`; see `Attack`."""
        ...


class JointAttack(Protocol):
    """A search of a threat set that descends on a method's objective, in variable and perturbation together."""

    def __call__(
        self,
        key: Key,
        problem: Variational,
        perturbed: Callable[[Delta], Kspace],
        coils: Kspace,
        threat: Threat,
    ) -> AttackResult:
        """Drive the method's coil images away from the true coil images.

        Args:
            key: random key.
            problem: the method's objective.
            perturbed: perturbation -> the k-space that the method receives.
            coils: (coil, ny, nx) true coil images.
            threat: the threat set.
        """
        ...


class AttackEntry(NamedTuple):
    """An attack in the registry.

    Attributes:
        config: class of its configuration.
        build: builds the attack from a configuration.
        presets: named configurations.
        sees: what the attack needs of the method: its "loss"; the loss along a "path" of perturbations; the "residual",
            whose squared norm is the loss; or the method's "objective", which not every method has.
        searches: whether it evaluates the method to find its perturbation, and may therefore search on a cheaper
            method.
        scored: builds, if the attack visits all values of a parameter, the same attack on a function of a perturbation
            that returns its loss and a score; the attack then returns its result and the score at each value.
    """

    config: type[Any]
    build: Callable[[Any], Any]
    presets: Mapping[str, Any] = MappingProxyType({})
    sees: Literal["loss", "path", "residual", "objective"] = "loss"
    searches: bool = True
    scored: Callable[[Any], Callable[..., tuple[AttackResult, Array]]] | None = None


class Best(NamedTuple):
    """The best point so far.

    Attributes:
        point: the point, a pytree.
        loss: its loss.
    """

    point: Any
    loss: Array


def keep_best(best: Best, point: Any, loss: Array) -> Best:
    """Replace the best point if `point` has a larger loss; a loss of NaN is kept for good, so that it is seen."""
    better = ~(loss <= best.loss) & ~jnp.isnan(best.loss)
    # The loss of a float64 method is float64, but a loop's carry must keep its type.
    now = Best(point, loss.astype(best.loss.dtype))
    return jax.tree.map(lambda new, old: jnp.where(better, new, old), now, best)


def restarted(
    climb: Callable[[Delta], AttackResult], key: Key, threat: Threat, start: Delta | None, n: int, size: float = 1.0
) -> AttackResult:
    """Run n climbs, from `start` on the boundary and then from random points, and return the strongest.

    Args:
        climb: the attack from one start.
        key: random key.
        threat: the threat set.
        start: first start, or None for a random one.
        n: number of climbs.
        size: norm of the random starts, in units of the radius [-].
    """
    starts = [size * threat.random(k) for k in jax.random.split(key, n)]
    if start is not None:
        starts[0] = threat.boundary(start)
    # Restarts run one after another, so that memory does not grow with their number.
    return strongest(jax.lax.map(climb, jnp.stack(starts)))


def entry_size(threat: Threat) -> Float[Array, "*parts"]:
    """Return the size of each real entry of a perturbation on the boundary if all are equal, shaped like the radius."""
    axes = None if threat.radius.ndim == 0 else (-2, -1)
    n_free = jnp.sum(threat.support, axes, jnp.int32, keepdims=threat.radius.ndim > 0)
    n_entries = jnp.maximum(n_free * (1 if threat.real else 2), 1)
    return threat.radius / jnp.sqrt(n_entries.astype(jnp.float32))


def strongest(results: AttackResult) -> AttackResult:
    """Return the result of largest loss; results are stacked along the first axis of every leaf."""
    best = jax.tree.map(lambda leaf: leaf[jnp.argmax(results.loss)], results)
    return best._replace(restarts=results.loss)


def squared_norm(residual: Residual) -> Loss:
    """Return the loss of a residual: its squared norm."""
    return lambda delta: jnp.sum(residual(delta) ** 2)
