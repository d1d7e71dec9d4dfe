"""Gradient ascent with momentum on a perturbation of the image (Antun et al., PNAS 2020, Algorithms 1 and 2).

    Q(r) = 1/2 ||residual(r)||^2 - penalty / 2 ||r||^2,    v <- decay v + step grad Q(r),    r <- r + v,

from r = start * U[0, 1), real as published.  r has the units of the image, whose peak is about 1, and so the step has
none.  The published attack has no budget, and its strength is its number of steps; ours stops at the threat set: an r
that leaves it is projected, and only then.

On a linear residual each singular value s has a growth of its own: the larger root z of z^2 - (1 + decay +
step (s^2 - penalty)) z + decay = 0.  It is above 1 if s^2 exceeds the penalty.

Algorithm 2 puts filtered back-projection in the place of the adjoint of the measurement.  Here that belongs to the
residual: it measures r by `pulled_back_by`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.attacks.base import AttackEntry, AttackResult, Residual, ResidualAttack, squared_norm
from jaxcs.attacks.spectral import singular_pair
from jaxcs.complex import l2_norm, value_and_ascent
from jaxcs.threats.balls import Threat
from jaxcs.types import Key


@dataclass(frozen=True)
class Config:
    """The ascent; its result is the last r.

    Attributes:
        penalty: lambda, of the squared norm of r, relative to that of the residual.  If it exceeds the squared gain of
            the method, r shrinks.
        step: eta, of the gradient.  None takes it from the largest singular value, see `automatic_step`.  The penalty
            is then relative to the square of this value, and below 1.
        start: tau, largest size of a pixel at the start [image units].
        n_steps: gradient evaluations.  If `step` is None, r reaches the radius of the threat set in as many.
        decay: gamma, of the momentum.
        snapshots: numbers of steps at which `snapshots` keeps r.  The attack itself does not use them.
    """

    penalty: float = 0.001
    step: float | None = 0.1
    start: float = 0.01
    n_steps: int = 100
    decay: float = 0.9
    snapshots: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(steps < 1 for steps in self.snapshots) or list(self.snapshots) != sorted(set(self.snapshots)):
            raise ValueError(f"snapshots are {self.snapshots}; they must be positive and increase")
        if self.step is None and not 0 <= self.penalty < 1:
            raise ValueError(f"penalty is {self.penalty}; relative to the squared singular value it must be below 1")


# The printed constants belong to other units in two of the paper's codes, so they are converted here.
# DeepMRI's gradient is that of a mean: 2 / (2 images of 256^2 pixels) times that of 1/2 ||.||^2.
_MEAN = 2 / (2 * 256**2)
# AUTOMAP's gradient is divided by the square of the scale of its samples, 0.0075 / 2, and by its 128^2 pixels.
_SAMPLES = 1 / ((0.0075 / 2) ** 2 * 128**2)
# The rows of the paper's table of parameters, with the most steps of each.  The residual p(x) is against the clean
# output, except for automap_fig2, which is against the truth (the table has these two the other way round).  Med50 uses
# Algorithm 2, its images span 1000, and its published gradient lacks the network's skip connection.
_PRINTED = {
    "deepmri": Config(penalty=0.001, step=0.01, start=0.01, n_steps=6000, snapshots=(2000, 4000, 6000)),
    "automap_fig2": Config(penalty=0.1, step=0.001, start=1e-5, n_steps=24, snapshots=(12, 16, 20, 24)),
    "automap_fig7": Config(penalty=0.1, step=0.001, start=1e-5, n_steps=183, snapshots=(160, 170, 177, 183)),
    "mri_vn": Config(penalty=1.0, step=0.005, start=0.001, n_steps=25, snapshots=(25,)),
    "med50": Config(penalty=20.0, step=0.005, start=0.005, n_steps=100, snapshots=(100,)),
}


def _in_units_of(gradient: float, printed: Config) -> Config:
    """The constants for the gradient of 1/2 ||.||^2, if the published gradient is `gradient` times as large."""
    step = None if printed.step is None else printed.step * gradient
    return replace(printed, penalty=printed.penalty / gradient, step=step)


PRESETS = {
    "deepmri": _in_units_of(_MEAN, _PRINTED["deepmri"]),
    "automap_fig2": _in_units_of(_SAMPLES, _PRINTED["automap_fig2"]),
    "automap_fig7": _in_units_of(_SAMPLES, _PRINTED["automap_fig7"]),
    "mri_vn": _PRINTED["mri_vn"],
    "med50": replace(_PRINTED["med50"], start=_PRINTED["med50"].start / 1000),
    # The table as it stands.
    "deepmri_printed": _PRINTED["deepmri"],
    "automap_fig2_printed": _PRINTED["automap_fig2"],
    "automap_fig7_printed": _PRINTED["automap_fig7"],
    "med50_printed": _PRINTED["med50"],
    # This preset is for any other network: the published constants do not fit all.
    "auto": Config(penalty=0.05, step=None, start=1e-4, n_steps=100),
}
# Iterations for the largest singular value, and the share of the threat set's radius in which they are.
_POWER_ITERATIONS, _NEAR = 10, 0.1
# Each refinement of z divides its relative error by about the number of steps.
_REFINEMENTS = 4


class Snapshots(NamedTuple):
    """The perturbations of a single ascent after several numbers of steps.

    Attributes:
        deltas: (snapshot, ...) perturbations r.
        norms: (snapshot,) ||r||.
        changes: (snapshot,) ||residual(r)||: how far r moves the image, if the residual is against the clean image.
    """

    deltas: Array
    norms: Float[Array, "snapshot"]
    changes: Float[Array, "snapshot"]


class Varied(NamedTuple):
    """Other constants of an ascent than those of its configuration, as values that a compiled function can be given.

    Attributes:
        penalty: lambda, as a multiple of the configuration's [-].
        step: eta, as a multiple of the configuration's [-].  If that follows from the largest singular value, it does
            so with this `decay` and the configuration's penalty.
        decay: gamma, of the momentum [-].
    """

    penalty: Float[Array, ""]
    step: Float[Array, ""]
    decay: Float[Array, ""]


class _State(NamedTuple):
    delta: Array
    velocity: Array


_Step = Callable[[_State], tuple[_State, tuple[Array, Array]]]


def build(config: Config) -> ResidualAttack:
    """Build the attack; see `Config`."""

    def attack(key: Key, residual: Residual, threat: Threat, start: Array | None = None) -> AttackResult:
        first, step = _ascent(config, key, residual, threat, start)
        last, (losses, norms) = jax.lax.scan(lambda state, _: step(state), first, None, length=config.n_steps)
        value = squared_norm(residual)(last.delta)
        return AttackResult(last.delta, value, losses, norms[0], value[None])

    return attack


def snapshots(config: Config, varied: Varied | None = None) -> Callable[[Key, Residual, Threat], Snapshots]:
    """Build the ascent that keeps r after each of `config.snapshots` steps, each as the attack with as many steps.

    Args:
        config: constants, and the numbers of steps.
        varied: other constants, None for those of `config`.
    """
    kept = jnp.asarray(config.snapshots, jnp.int32)

    def run(key: Key, residual: Residual, threat: Threat) -> Snapshots:
        first, step = _ascent(config, key, residual, threat, None, varied)

        def keep(carry: tuple[_State, Array], done: Array) -> tuple[tuple[_State, Array], None]:
            state, deltas = carry
            state, _ = step(state)
            # The place of the next snapshot is overwritten until its number of steps is reached.
            return (state, deltas.at[jnp.sum(kept <= done)].set(state.delta)), None

        deltas = jnp.zeros((len(config.snapshots), *first.delta.shape), first.delta.dtype)
        (_, deltas), _ = jax.lax.scan(keep, (first, deltas), jnp.arange(config.snapshots[-1], dtype=jnp.int32))
        norms = jax.vmap(l2_norm)(deltas)
        return Snapshots(deltas, norms, jax.lax.map(lambda delta: l2_norm(residual(delta)), deltas))

    return run


def pulled_back_by(forward: Callable[[Array], Array], surrogate: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return a linear map whose gradient goes back through another map than its adjoint, as in Algorithm 2.

    Args:
        forward: linear map from images to measurements.
        surrogate: map from measurements to images that takes the adjoint's place, such as filtered back-projection.
    """

    @jax.custom_vjp
    def apply(x: Array) -> Array:
        return forward(x)

    def pull(like: Array, cotangent: Array) -> tuple[Array]:
        ascent = surrogate(jnp.conj(cotangent))
        # A real perturbation moves along the real part, as it does with the adjoint.
        return ((jnp.conj(ascent) if jnp.iscomplexobj(like) else jnp.real(ascent)).astype(like.dtype),)

    apply.defvjp(lambda x: (forward(x), jnp.zeros(0, x.dtype)), pull)
    return apply


def _ascent(
    config: Config,
    key: Key,
    residual: Residual,
    threat: Threat,
    start: Array | None,
    varied: Varied | None = None,
) -> tuple[_State, _Step]:
    """The first state, and the step with its loss and the norm of its gradient."""
    ascend = value_and_ascent(squared_norm(residual))
    if start is None:
        uniform = config.start * jax.random.uniform(key, threat.support.shape, jnp.float32)
        delta = threat.project(uniform if threat.real else uniform.astype(jnp.complex64))
    else:
        delta = threat.boundary(start)
    decay = config.decay if varied is None else varied.decay
    penalty, eta = _constants(config, decay, key, residual, threat, delta)
    if varied is not None:
        penalty, eta = penalty * varied.penalty, eta * varied.step

    def step(state: _State) -> tuple[_State, tuple[Array, Array]]:
        value, gradient = ascend(state.delta)
        slope = gradient / 2 - penalty * state.delta
        velocity = decay * state.velocity + eta * slope
        return _State(threat.project(state.delta + velocity), velocity), (value, l2_norm(gradient))

    return _State(delta, jnp.zeros_like(delta)), step


def _constants(
    config: Config, decay: float | Array, key: Key, residual: Residual, threat: Threat, first: Array
) -> tuple[float | Array, float | Array]:
    """Lambda and eta, for an ascent from `first`."""
    if config.step is not None:
        return config.penalty, config.step
    # Networks bend: in a ball as large as the image the gain is much smaller than at r = 0.
    near = replace(threat, radius=_NEAR * threat.radius)
    largest, _ = singular_pair(residual, near, near.random(key), _POWER_ITERATIONS)
    numbers = jnp.sum(threat.support) * (1 if threat.real else 2)
    growth = threat.radius * jnp.sqrt(numbers) / l2_norm(first)
    return config.penalty * largest**2, automatic_step(config, decay, growth) / largest**2


def automatic_step(config: Config, decay: float | Array, growth: Float[Array, ""]) -> Float[Array, ""]:
    """Compute the step that brings the ascent from its random start to the radius of the threat set in its last step.

    The share of a random start of n real numbers along the first singular vector is 1 / sqrt(n) on average.  An ascent
    that is too slow or too short is still at its start, whose gain says nothing of the worst case.  So this component
    alone must grow by `growth`, from ||r|| / sqrt(n) to the radius.  Along all other vectors r grows less.  The step
    follows from z, the growth of each step on a linear map, see the top of this module.  After m steps that begin
    without velocity, the component is (z - decay) / (z - decay / z) z^m of what it was, and a power below 1 besides.
    A network whose gain falls with the size of r, or a start with an unusual share, ends nearer or farther.

    The result is at most 2 (1 + decay) / penalty.  With a larger step, components of small gain swing instead of
    shrinking.

    Args:
        config: penalty and number of steps.
        decay: gamma, of the momentum.
        growth: growth of the component along the first singular vector [-].

    Returns:
        The step times the squared largest singular value [-].
    """
    growth = jnp.maximum(growth, 1.0)
    z = growth ** (1 / config.n_steps)
    for _ in range(_REFINEMENTS):
        z = (growth * (z - decay / z) / (z - decay)) ** (1 / config.n_steps)
    wanted = (z + decay / z - 1 - decay) / (1 - config.penalty)
    return wanted if config.penalty == 0 else jnp.minimum(wanted, 2 * (1 + decay) / config.penalty)


ATTACK = AttackEntry(Config, build, PRESETS, sees="residual")
