"""Test-time training: the weights of a trained network are fitted further, to a single measurement.

Darestani, Liu & Heckel, "Test-Time Training Can Close the Natural Distribution Shift Performance Gap in Deep Learning
Based Compressed Sensing", ICML 2022 (arXiv:2204.07204).  From the trained weights,

    minimise over theta   ||M' (F c_theta(y') - y)||_1 / ||M' y||_1

by Adam. c_theta are the coil images that the network implies.  A few samples are withheld from M', and the fit stops
when their error rises.  The last weights and all data y give the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from jaxcs.recon import unet_complex, varnet
from jaxcs.recon.checks import check_at_least, check_choice, checked
from jaxcs.recon.method import Method, Surrogate
from jaxcs.recon.self_supervision import misfit, withhold, withhold_as_published
from jaxcs.recon.untrained import OPTIMISERS
from jaxcs.solvers.fit import Fit, Iterate, Losses, Stop, fit
from jaxcs.types import Key, Kspace, Magnitude, Mask, Measurement, Params, Predict, Reconstructor

HOLDOUTS = ("unseen", "published")
# "implicit" is missing, because a fit that is stopped in time is not at a minimum.
GRADIENTS = ("unroll", "truncated", "warm")
# The fit may stop after this many windows of scores (published code).
_WINDOWS = 3


@dataclass(frozen=True)
class FitConfig:
    """The fit of any network.

    Attributes:
        n_steps: largest number of steps of Adam; 0 for the network as it was trained.
        learning_rate: learning rate of Adam.
        holdout: "unseen" withholds whole columns (points for a mask of points) from the loss and from the network.
            "published" draws points with replacement, and withholds them from the loss only.
        share: share of the samples that are withheld [-].
        window: the fit stops when the mean error of the withheld samples over the last `window` steps is above the mean
            over the `window` steps before.  It does not stop before three windows, as published, and never if n_steps
            is less.
        gradient: how an attack sees the fit.  "unroll" goes through all steps.  "truncated" goes through the last
            steps, or through the network alone if the fit stopped before them.  "warm" goes through additional steps
            from the end of the fit to the clean data.
        gradient_steps: number of these steps for "truncated" and "warm".
    """

    n_steps: int = 200
    learning_rate: float = 1e-4
    holdout: Literal["unseen", "published"] = "unseen"
    share: float = 0.05
    window: int = 20
    gradient: Literal["unroll", "truncated", "warm"] = "warm"
    gradient_steps: int = 5

    def check(self) -> None:
        """Raise ValueError if a field makes no sense."""
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


# The settings of the publication and its code; the weights decide the network.
_PUBLISHED = {"n_steps": 2500, "holdout": "published", "window": 100, "gradient": "truncated"}
UNET_PRESETS = {"published": UnetConfig(learning_rate=1e-5, **_PUBLISHED)}  # type: ignore[arg-type]
VARNET_PRESETS = {"published": VarnetConfig(learning_rate=1e-4, **_PUBLISHED)}  # type: ignore[arg-type]


class Problem(NamedTuple):
    """The data of a fit.

    Attributes:
        seen: the measurement that the network is given.
        kspace: (coil, ny, nx) all data.
        fitted: (nx,) or (ny, nx) samples that the loss sees.
        held: (nx,) or (ny, nx) samples that the score sees.
    """

    seen: Measurement
    kspace: Kspace
    fitted: Mask
    held: Mask


# A file of `jaxcs.recon` that has build and predict.
Network = Any


def build(network: Network, config: Any) -> Reconstructor:
    """Build the method: fit, then reconstruct.  Its parameters are trained weights, or the last iterate of another fit.

    Args:
        network: file of the method whose weights are fitted.
        config: configuration of network and fit.

    Returns:
        The method, whose key draws the withheld samples.
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
    """Build the cheaper method for the gradient "warm"; None for other gradients.

    Its fit to the perturbed data is short, and continues from the whole fit to the clean data.
    """
    if config.gradient != "warm" or config.n_steps == 0:
        return None
    predict = network.predict(config)

    def start(params: Params, measurement: Measurement, key: Key) -> Iterate:
        return run(config, predict, params, measurement, key).last

    # If there are too few steps for a window, the gradient goes through all of them.
    short = replace(config, n_steps=config.gradient_steps, window=config.gradient_steps, gradient="unroll")
    return Surrogate(start, build(network, short))


def run(config: FitConfig, predict: Predict, begin: Params | Iterate, measurement: Measurement, key: Key) -> Fit:
    """Run the fit alone.

    Args:
        config: the fit.
        predict: the network's image and coil images.
        begin: parameters, or the last iterate of another fit.
        measurement: the measurement.
        key: random key, which draws the withheld samples.
    """
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
    """Split the measurement into fitted and withheld samples."""
    kspace, mask, _ = measurement
    if config.holdout == "published":
        samples = jnp.broadcast_to(mask, kspace.shape[-2:])
        held = withhold_as_published(key, samples, config.share)
        return Problem(measurement, kspace, samples & ~held, held)
    held = withhold(key, mask, config.share)
    kept = mask & ~held
    return Problem(measurement._replace(kspace=jnp.where(kept, kspace, 0), mask=kept), kspace, kept, held)


def losses(predict: Predict) -> Losses:
    """Build the losses: the relative misfit of the network's coil images on the fitted and on the withheld samples."""

    def of(problem: Problem, params: Params) -> tuple[Array, Array]:
        coils = predict(params, problem.seen).coils
        return misfit(coils, problem.kspace, problem.fitted), misfit(coils, problem.kspace, problem.held)

    return of


def rising(window: int) -> Stop:
    """Build the stop rule: the mean of the last `window` scores is above the mean of the `window` scores before.

    The rule is False before three windows.
    """

    def stop(scores: Array, steps: Array) -> Bool[Array, ""]:
        late, early = (jnp.mean(lax.dynamic_slice_in_dim(scores, steps - back * window, window)) for back in (1, 2))
        return (steps >= _WINDOWS * window) & (late > early)

    return stop


def _method(config: type[Any], presets: dict[str, Any], network: Network, weights_of: str) -> Method:
    """Make the method that fits a network, given as the file of the network's method."""
    return Method(
        config,
        partial(build, network),
        presets,
        trained=True,
        surrogate=partial(surrogate, network),
        fitted=True,
        random="the samples withheld",
        weights_of=weights_of,
        uses_maps=lambda config: bool(network.NEEDS_MAPS),
    )


UNET = _method(UnetConfig, UNET_PRESETS, unet_complex, "unet_complex")
VARNET = _method(VarnetConfig, VARNET_PRESETS, varnet, "varnet")
