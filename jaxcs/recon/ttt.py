"""Test-time training: a trained network's weights go on being fitted to the one measurement at hand.

Darestani, Liu & Heckel, "Test-Time Training Can Close the Natural Distribution Shift Performance Gap in Deep Learning
Based Compressed Sensing", ICML 2022 (arXiv:2204.07204).  From the trained weights,

    minimise over theta   ||M' (F c_theta(y') - y)||_1 / ||M' y||_1

by Adam, where c_theta are the coil images that the network implies.  A few of the samples are withheld from M', and the
fit stops when their error rises; the image is that of the last weights and of all the data, y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from jaxcs.recon import unet_complex, varnet
from jaxcs.recon.checks import check_at_least, check_choice, checked
from jaxcs.recon.self_supervision import misfit, withhold, withhold_as_published
from jaxcs.recon.untrained import OPTIMISERS, Surrogate
from jaxcs.solvers.fit import Fit, Iterate, Losses, Stop, fit
from jaxcs.types import Key, Kspace, Magnitude, Mask, Measurement, Params, Predict, Reconstructor

HOLDOUTS = ("unseen", "published")
# None at the minimum: a fit that is stopped in time is not at one.
GRADIENTS = ("unroll", "truncated", "warm")
# As many windows of scores there are before the fit may stop (published code).
_WINDOWS = 3


@dataclass(frozen=True)
class FitConfig:
    """The fit, whatever the network.

    n_steps, learning_rate: of Adam; at most, and 0 for the network as it was trained.
    holdout: "unseen": whole columns (points of a mask of points) that neither the loss nor the network sees;
        "published": points drawn with replacement, which the loss does not see, but the network does.
    share: of the samples that are withheld [-].
    window: the fit stops when the mean error of the withheld samples over the last `window` steps is above that over
        the `window` before; not before three windows, as published, and never where n_steps are fewer.
    gradient, gradient_steps: how an attack sees the fit: "unroll" through all steps, "truncated" through the last
        ones, or where it stopped before them through the network alone; "warm" through as many steps more, from where
        the fit to the clean data stopped.
    """

    n_steps: int = 200
    learning_rate: float = 1e-4
    holdout: Literal["unseen", "published"] = "unseen"
    share: float = 0.05
    window: int = 20
    gradient: Literal["unroll", "truncated", "warm"] = "warm"
    gradient_steps: int = 5

    def check(self) -> None:
        """Raise ValueError where a field makes no sense."""
        check_choice("holdout", self.holdout, HOLDOUTS)
        check_choice("gradient", self.gradient, GRADIENTS)
        for name, low in (("n_steps", 0), ("window", 1), ("gradient_steps", 1), ("learning_rate", 0)):
            check_at_least(name, getattr(self, name), low)
        if not 0 < self.share < 1:
            raise ValueError(f"share must lie in (0, 1), got {self.share:g}")


@dataclass(frozen=True)
class UnetConfig(unet_complex.Config, FitConfig):
    """The U-Net that gives a complex image, and its fit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check()


@dataclass(frozen=True)
class VarnetConfig(varnet.Config, FitConfig):
    """The end-to-end VarNet, and its fit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check()


# What the publication and its code did; the network is that of the weights.
_PUBLISHED = {"n_steps": 2500, "holdout": "published", "window": 100, "gradient": "truncated"}
UNET_PRESETS = {"published": UnetConfig(learning_rate=1e-5, **_PUBLISHED)}  # type: ignore[arg-type]
VARNET_PRESETS = {"published": VarnetConfig(learning_rate=1e-4, **_PUBLISHED)}  # type: ignore[arg-type]


class Problem(NamedTuple):
    """What a fit depends on.

    seen: the measurement that the network is given.  kspace: all data.
    fitted, held: samples that the loss and the score are of, (nx,) or (ny, nx).
    """

    seen: Measurement
    kspace: Kspace
    fitted: Mask
    held: Mask


# A file of `jaxcs.recon` with build and predict.
Network = Any


def build(network: Network, config: Any) -> Reconstructor:
    """Fit, then reconstruct.  Its parameters are trained weights, or where another fit stood.

    network: the file of the method whose weights are fitted.  The key draws what is withheld.
    """
    predict: Predict = network.predict(config)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        if config.n_steps > 0:
            params = run(config, predict, params, measurement, key).last.params
        return predict(params, measurement).image

    return Reconstructor(
        init=network.build(config).init, apply=jax.jit(checked(apply, needs_maps=network.NEEDS_MAPS, trained=True))
    )


def surrogate(network: Network, config: Any) -> Surrogate | None:
    """For the gradient "warm": a short fit to the perturbed data that goes on from the whole fit to the clean data."""
    if config.gradient != "warm" or config.n_steps == 0:
        return None
    predict = network.predict(config)

    def start(params: Params, measurement: Measurement, key: Key) -> Iterate:
        return run(config, predict, params, measurement, key).last

    # Too few steps for a window, so that it goes through all of them.
    short = replace(config, n_steps=config.gradient_steps, window=config.gradient_steps, gradient="unroll")
    return Surrogate(start, build(network, short))


def run(config: FitConfig, predict: Predict, begin: Params | Iterate, measurement: Measurement, key: Key) -> Fit:
    """The fit alone."""
    return fit(
        losses(predict),
        problem(config, measurement, key),
        begin,
        OPTIMISERS["adam"](config.learning_rate, config.n_steps),
        config.n_steps,
        "unroll" if config.gradient == "unroll" else "truncated",
        config.gradient_steps,
        rising(config.window) if config.n_steps >= _WINDOWS * config.window else None,
    )


def problem(config: FitConfig, measurement: Measurement, key: Key) -> Problem:
    """What of the measurement is fitted, and what is withheld."""
    kspace, mask, _ = measurement
    if config.holdout == "published":
        samples = jnp.broadcast_to(mask, kspace.shape[-2:])
        held = withhold_as_published(key, samples, config.share)
        return Problem(measurement, kspace, samples & ~held, held)
    held = withhold(key, mask, config.share)
    kept = mask & ~held
    return Problem(measurement._replace(kspace=jnp.where(kept, kspace, 0), mask=kept), kspace, kept, held)


def losses(predict: Predict) -> Losses:
    """The relative error of what the network implies of the fitted samples, and of the withheld ones."""

    def of(problem: Problem, params: Params) -> tuple[Array, Array]:
        coils = predict(params, problem.seen).coils
        return misfit(coils, problem.kspace, problem.fitted), misfit(coils, problem.kspace, problem.held)

    return of


def rising(window: int) -> Stop:
    """Whether the mean of the last `window` scores is above that of the `window` before; not before three windows."""

    def stop(scores: Array, steps: Array) -> Bool[Array, ""]:
        late, early = (jnp.mean(lax.dynamic_slice_in_dim(scores, steps - back * window, window)) for back in (1, 2))
        return (steps >= _WINDOWS * window) & (late > early)

    return stop
