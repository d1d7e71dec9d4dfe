"""First right singular vector of the residual's Jacobian at zero perturbation: the worst case to first order.

J^T is the exact vjp.  J is exact if the method can be differentiated forward.  Otherwise it is a central difference:
jax.jvp refuses the custom gradients of networks and of iterations that end at a fixed point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.attacks.base import AttackEntry, AttackResult, Delta, Residual, ResidualAttack, squared_norm
from jaxcs.complex import l2_norm
from jaxcs.threats.balls import Threat
from jaxcs.types import Key

# Distance of the central difference, in units of the radius [-]: small compared with the reconstruction's curvature,
# large compared with rounding.
_DIFFERENCE = 0.1


@dataclass(frozen=True)
class Config:
    """e <- boundary(J^T J e), the power iteration; the result is e or -e, whichever has the larger loss.

    If `boundary` scales every coil to its own radius, the iteration still raises ||J e|| at every step.

    Attributes:
        n_steps: number of iterations, each about as costly as a gradient evaluation.
    """

    n_steps: int = 20


def build(config: Config) -> ResidualAttack:
    """Build the attack; its trace is ||J e||^2, the loss to first order if the residual at e = 0 is 0."""

    def attack(key: Key, residual: Residual, threat: Threat, start: Array | None = None) -> AttackResult:
        first = threat.random(key) if start is None else threat.boundary(start)
        delta, predicted, norm = _iterate(residual, threat, first, config.n_steps)
        loss = squared_norm(residual)
        # The two run one after the other, so that memory is that of one.
        losses = jax.lax.map(lambda sign: loss(sign * delta), jnp.asarray([1.0, -1.0], jnp.float32))
        winner = jnp.argmax(losses)
        value = losses[winner]
        return AttackResult(jnp.where(winner == 0, delta, -delta), value, predicted, norm, value[None])

    return attack


def singular_pair(residual: Residual, threat: Threat, start: Delta, n_steps: int) -> tuple[Float[Array, ""], Delta]:
    """Compute the largest singular value of J on the support of a global ball, and its unit vector.

    Args:
        residual: the residual.
        threat: a global ball of radius above 0.
        start: first vector.
        n_steps: number of iterations.
    """
    delta, predicted, _ = _iterate(residual, threat, threat.boundary(start), n_steps + 1)
    return jnp.sqrt(predicted[-1]) / threat.radius, delta / threat.radius


def _iterate(residual: Residual, threat: Threat, first: Array, n_steps: int) -> tuple[Array, Array, Array]:
    """The last e, ||J e||^2 at every e before it, and the norm of the gradient at the first."""
    zero = jnp.zeros_like(first)
    transpose = jax.vjp(residual, zero)[1]
    product = jacobian_product(residual, zero)

    def step(delta: Array, _: None) -> tuple[Array, tuple[Array, Array]]:
        change = product(delta)
        gradient = 2 * jnp.conj(transpose(change)[0])
        return threat.boundary(gradient), (jnp.sum(change**2), l2_norm(gradient))

    last, (predicted, norms) = jax.lax.scan(step, first, None, length=n_steps)
    return last, predicted, norms[0]


def jacobian_product(residual: Residual, zero: Delta) -> Callable[[Delta], Array]:
    """Return e -> J e, with the Jacobian J at the perturbation `zero`, for e of the size that a threat set allows."""
    # JAX refuses to push a vector through a custom gradient only when it lowers the program, too late to be caught.
    if "custom_vjp" in str(jax.make_jaxpr(residual)(zero)):
        return lambda delta: (residual(_DIFFERENCE * delta) - residual(-_DIFFERENCE * delta)) / (2 * _DIFFERENCE)
    linear: Callable[[Delta], Array] = jax.linearize(residual, zero)[1]
    return linear


ATTACK = AttackEntry(Config, build, sees="residual")
