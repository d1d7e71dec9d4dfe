"""What every attack takes and returns."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from jaxtyping import Array, Complex, Float

from jaxcs.attacks.threat import Threat
from jaxcs.types import Key, Kspace, Variational

Loss = Callable[[Complex[Array, "*axes"]], Float[Array, ""]]


class AttackResult(NamedTuple):
    """The strongest perturbation that an attack found.

    delta: in the threat set, shaped like its support.  loss: its loss.
    trace: (n_evaluations,) the loss at every point where the gradient was taken, of the best restart.
    gradient_norm: the gradient's norm at the first point; 0 means that the attack was blind.
    """

    delta: Complex[Array, "*axes"]
    loss: Float[Array, ""]
    trace: Float[Array, "evaluation"]
    gradient_norm: Float[Array, ""]


class Attack(Protocol):
    """Searches a threat set for the perturbation of largest loss, knowing nothing of what lies behind either."""

    def __call__(
        self, key: Key, loss: Loss, threat: Threat, start: Complex[Array, "*axes"] | None = None
    ) -> AttackResult:
        """Maximise `loss` over `threat`.

        start: a perturbation to begin from, such as the one found for a smaller radius; scaled onto the boundary.
        None begins at a random point of it.
        """
        ...


class JointAttack(Protocol):
    """Searches a threat set by descending on a method's own objective, variable and perturbation together."""

    def __call__(
        self,
        key: Key,
        problem: Variational,
        perturbed: Callable[[Complex[Array, "*axes"]], Kspace],
        coils: Complex[Array, "coil ny nx"],
        threat: Threat,
    ) -> AttackResult:
        """Drive the method's coil images away from `coils`, the true ones.

        perturbed: a perturbation -> the k-space that the method then sees.
        """
        ...
