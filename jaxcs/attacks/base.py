"""What every attack takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxcs.attacks.threat import Threat
from jaxcs.types import Key, Kspace, Variational

Delta = Inexact[Array, "*axes"]
Loss = Callable[[Delta], Float[Array, ""]]
Residual = Callable[[Delta], Float[Array, "*axes"]]


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


def strongest(results: AttackResult) -> AttackResult:
    """Of restarts stacked along the first axis of every leaf, the one of largest loss."""
    best = jax.tree.map(lambda leaf: leaf[jnp.argmax(results.loss)], results)
    return best._replace(restarts=results.loss)


def squared_norm(residual: Residual) -> Loss:
    """The loss of a residual."""
    return lambda delta: jnp.sum(residual(delta) ** 2)
