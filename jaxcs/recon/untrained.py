"""Reconstruction by fitting an un-trained network to one measurement (Darestani & Heckel 2020, arXiv:2007.02471).

A network with a fixed random input z is fitted to the measured data alone,

    minimise over C   mean |M F G(C, z) - s M y|^2,

with G for all coil images.  The network's structure and early stopping are the only prior.  The fitted coil images then
have their measured samples replaced by the given data, and are combined by root sum of squares.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array

from jaxcs.complex import abs2, l2_norm, root_sum_of_squares
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.nets.net import UntrainedNet
from jaxcs.recon.checks import check_at_least, check_choice, checked
from jaxcs.recon.method import Method, Surrogate
from jaxcs.solvers.fit import Fit, Iterate, Losses, fit
from jaxcs.types import (
    Key,
    Kspace,
    Magnitude,
    MakeVariational,
    Measurement,
    Params,
    Reconstructor,
    Variational,
)

# Added under the square root of Adam's second moment, because the gradient of the root at 0 would be NaN.  A weight
# behind a ReLU that never fires has such a zero gradient.
_ADAM_ROOT = 1e-16

OPTIMISERS: dict[str, Callable[[float, int], optax.GradientTransformation]] = {
    "adam": lambda rate, n_steps: optax.adam(rate, eps_root=_ADAM_ROOT),
    # Figure 16 of the ICML 2021 paper: smoother descents change the places at which a perturbation puts its error.
    "smooth_adam": lambda rate, n_steps: optax.adam(rate, b1=0.98, eps_root=_ADAM_ROOT),
    "rising_descent": lambda rate, n_steps: optax.sgd(optax.linear_schedule(0.0, rate, n_steps)),
}
COILS = ("all", "maps")
GRADIENTS = ("unroll", "truncated", "warm", "implicit")


@dataclass(frozen=True)
class FitConfig:
    """The fit of any network.

    Attributes:
        n_steps: number of steps of the optimiser.
        learning_rate: learning rate of the optimiser.
        optimiser: "adam", "smooth_adam" (beta1 0.98) or "rising_descent" (gradient descent with a step size that rises
            linearly from 0 to learning_rate).
        coils: the network draws "all" coil images, or one image seen through the "maps".
        holdout: fraction of the measured samples that are kept from the fit and select the best iterate [-].  0 keeps
            none, and the loss selects the iterate.
        seeds: number of fits from different random networks, whose images are averaged.
        gradient: "unroll", "truncated" or "implicit" as in `jaxcs.solvers.fit`.  "warm" lets an attack search on a fit
            of `gradient_steps` steps that continues from the fit to the clean data; otherwise it is "truncated".
            Adam's fits are chaotic: through 600 steps the unrolled gradient grows to 1e9 and more, and is meaningless.
        gradient_steps: number of steps for "truncated" and "warm".
    """

    n_steps: int = 600
    learning_rate: float = 0.01
    optimiser: str = "adam"
    coils: Literal["all", "maps"] = "all"
    holdout: float = 0.0
    seeds: int = 1
    gradient: Literal["unroll", "truncated", "warm", "implicit"] = "warm"
    gradient_steps: int = 20

    def __post_init__(self) -> None:
        check_choice("optimiser", self.optimiser, OPTIMISERS)
        check_choice("coils", self.coils, COILS)
        check_choice("gradient", self.gradient, GRADIENTS)
        for name in ("n_steps", "seeds", "gradient_steps"):
            check_at_least(name, getattr(self, name), 1)
        check_at_least("learning_rate", self.learning_rate, 0)
        if not 0 <= self.holdout < 1:
            raise ValueError(f"holdout must lie in [0, 1), got {self.holdout:g}")


# (configuration, (ny, nx), outputs) -> the network.
MakeNet = Callable[[Any, tuple[int, int], int], UntrainedNet]


class _Problem(NamedTuple):
    """The arrays that a fit depends on.

    Attributes:
        measured: k-space in the network's units.
        fitted: mask, as numbers, of the samples that the loss sees.
        held: mask, as numbers, of the samples that the score sees.
        maps: coil sensitivity maps.
        z: input of the network.
    """

    measured: Kspace
    fitted: Array
    held: Array
    maps: Array
    z: Array


class _Fitting(NamedTuple):
    """One measurement with the network of one seed: the fit's problem and loss, and its start.

    Attributes:
        problem: the arrays that the fit depends on.
        losses: loss and score of the fit.
        first: parameters at the start.
        draw: (problem, parameters) -> k-space of all coils, in the network's units.
        unit: one unit of the network, in the units of the measurement.
    """

    problem: _Problem
    losses: Losses
    first: Params
    draw: Callable[[_Problem, Params], Kspace]
    unit: Array


def method(config: type[Any], presets: dict[str, Any], make: MakeNet) -> Method:
    """Make the method of an un-trained network.

    Args:
        config: class of its configuration.
        presets: named configurations.
        make: (configuration, (ny, nx), outputs) -> the network.
    """
    return Method(
        config,
        partial(build, make),
        presets,
        surrogate=partial(surrogate, make),
        variational=partial(variational, make),
        fitted=True,
        random="the network",
        uses_maps=lambda config: bool(config.coils == "maps"),
        coils=partial(coils, make),
    )


def build(make: MakeNet, config: FitConfig) -> Reconstructor:
    """Build the fit as a pure function of the measurement and the key, which draws network and input.

    Its parameters are {}, or the result of `Surrogate.start`, from which a fit continues.

    Args:
        make: (configuration, (ny, nx), outputs) -> the network.
        config: the fit and the network.
    """

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        fitted = _fitted(make, config, params, measurement, key)
        # Hard data consistency with the given data, perturbed or not.
        return root_sum_of_squares(ifft2c(jnp.where(measurement.mask, measurement.kspace, fitted)))

    return Reconstructor(init=lambda key: {}, apply=jax.jit(checked(apply, needs_maps=config.coils == "maps")))


def coils(make: MakeNet, config: FitConfig) -> Callable[[Measurement, Key], Array]:
    """Build the fit as (measurement, key) -> the network's coil images, without the measured data."""
    return lambda measurement, key: ifft2c(_fitted(make, config, {}, measurement, key))


def _fitted(make: MakeNet, config: FitConfig, params: Params, measurement: Measurement, key: Key) -> Kspace:
    """K-space of the fitted networks, the mean over seeds."""

    def one_seed(key: Key, start: Iterate | None) -> Kspace:
        fitting = _fitting(make, config, measurement, key)
        found = _run(config, fitting, start)
        # A fit that continues may be no better than at its start, which says nothing about the data.
        params = found.params if start is None else found.last.params
        return fitting.unit * fitting.draw(fitting.problem, params)

    keys = jax.random.split(key, config.seeds)
    return jnp.mean(lax.map(lambda one: one_seed(*one), (keys, params.get("start"))), axis=0)


def surrogate(make: MakeNet, config: FitConfig) -> Surrogate | None:
    """Build the cheaper method for the gradient "warm"; None for other gradients.

    Its fit to the perturbed data is short, and continues from the whole fit to the clean data.
    """
    if config.gradient != "warm":
        return None

    def start(params: Params, measurement: Measurement, key: Key) -> Params:
        del params

        def one(key: Key) -> Iterate:
            return _run(config, _fitting(make, config, measurement, key), None).last

        return {"start": lax.map(one, jax.random.split(key, config.seeds))}

    return Surrogate(start, build(make, replace(config, n_steps=config.gradient_steps, gradient="unroll")))


def variational(make: MakeNet, config: FitConfig) -> MakeVariational:
    """Build the objective 1/2 sum |M F G(C, z) / s - M y|^2 over the parameters C of the first seed's network."""

    def of(measurement: Measurement, key: Key) -> Variational:
        fitting = _fitting(make, config, measurement, jax.random.split(key, config.seeds)[0])

        def kspace_of(params: Params) -> Kspace:
            return fitting.unit * fitting.draw(fitting.problem, params)

        def objective(params: Params, kspace: Kspace) -> Array:
            return 0.5 * jnp.sum(abs2(jnp.where(measurement.mask, kspace_of(params) - kspace, 0)))

        return Variational(fitting.first, objective, lambda params: ifft2c(kspace_of(params)))

    return of


def _run(config: FitConfig, fitting: _Fitting, start: Iterate | None) -> Fit:
    optimiser = OPTIMISERS[config.optimiser](config.learning_rate, config.n_steps)
    gradient = "truncated" if config.gradient == "warm" else config.gradient
    first = fitting.first if start is None else start
    return fit(fitting.losses, fitting.problem, first, optimiser, config.n_steps, gradient, config.gradient_steps)


def _fitting(make: MakeNet, config: FitConfig, measurement: Measurement, key: Key) -> _Fitting:
    net_key, input_key, held_key = jax.random.split(key, 3)
    n_coils, ny, nx = measurement.kspace.shape
    net = make(config, (ny, nx), 2 * n_coils if config.coils == "all" else 2)

    def draw(problem: _Problem, params: Params) -> Kspace:
        y = net.apply(params, problem.z)
        images = jnp.moveaxis(lax.complex(y[..., 0::2], y[..., 1::2]), -1, 0)
        return fft2c(problem.maps * images if config.coils == "maps" else images)

    measured = jnp.where(measurement.mask, measurement.kspace, 0)
    sampled = jnp.broadcast_to(measurement.mask, (ny, nx))
    held = sampled & (jax.random.uniform(held_key, (ny, nx), jnp.float32) < config.holdout)
    z, first = net.draw_input(input_key), net.init(net_key)
    fitted = (sampled & ~held).astype(jnp.float32)
    problem = _Problem(measured, fitted, held.astype(jnp.float32), measurement.maps, z)
    # The network's first coil images get the same norm as the zero-filled coil images.
    unit = l2_norm(measured) / l2_norm(draw(problem, first))
    problem = problem._replace(measured=measured / jnp.where(unit > 0, unit, 1.0))

    def losses(problem: _Problem, params: Params) -> tuple[Array, Array]:
        error = jnp.sum(abs2(draw(problem, params) - problem.measured), axis=0)
        # The mean is over all real entries, as published; entries that are not measured count as 0.
        entries = 2 * n_coils * ny * nx
        loss = jnp.sum(problem.fitted * error) / entries
        return loss, jnp.sum(problem.held * error) / entries if config.holdout > 0 else loss

    return _Fitting(problem, losses, first, draw, unit)
