"""Plug-and-play reconstruction: proximal gradient steps with a denoiser for the proximal operator.

Venkatakrishnan, Bouman & Wohlberg, GlobalSIP 2013.  The iteration

    x <- D(x - A^H (A x - y) - lam x; sigma)

goes on until it has settled.  D is the score network of `diffusion` at one noise level, which is trained for the mean
squared error.  The denoiser of least mean squared error is a proximal operator, if not of a convex function, and the
iteration then converges for steps up to 1 / ||A||^2 (Xu et al., IEEE Signal Process. Lett. 27:1280, 2020,
arXiv:2005.07685).  A network is not quite that denoiser.  With lam = 0 the denoiser alone decides what was not
measured, and the image drifts away.  lam > 0 makes the data term lam/2 ||x||^2 + 1/2 ||A x - y||^2 strongly convex, as
the proof of Ryu et al. (ICML 2019, theorem 1, arXiv:1905.05406) needs it, and the gradient step then shrinks every
direction.  How much the denoiser expands is not known, so nothing is proved: each record has the estimated distance
from the fixed point.

The gradient in the data is that of the fixed point.  The adjoint's iteration has the same rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcs.complex import largest, magnitude
from jaxcs.nets.score import ScoreNet, score_net
from jaxcs.operators import Sense
from jaxcs.recon import diffusion
from jaxcs.recon.checks import check_at_least, checked
from jaxcs.recon.method import Method
from jaxcs.solvers.fixed_point import implicit
from jaxcs.solvers.settle import Settled, settle
from jaxcs.types import Image, Key, Magnitude, Maps, Mask, Measurement, Params, Reconstructor, Solution, Stages


@dataclass(frozen=True)
class Config:
    """The network and the iteration.

    Attributes:
        channels: channels of the network's first level.
        levels: number of the network's levels.
        sigma: noise level of the denoiser, relative to the peak of the zero-filled image [-].
        lam: weight of lam/2 ||x||^2 in the data term [-].
        tolerance: estimated distance from the fixed point at which the iteration stops, relative to the image [-].
        n_iters: largest number of iterations, of the solution and again of the gradient.
    """

    channels: int = diffusion.Config.channels
    levels: int = diffusion.Config.levels
    sigma: float = 0.1
    lam: float = 0.03
    tolerance: float = 1e-3
    n_iters: int = 500

    def __post_init__(self) -> None:
        for name, low in (("channels", 1), ("levels", 1), ("n_iters", 1), ("tolerance", 0)):
            check_at_least(name, getattr(self, name), low)
        if not 0 < self.sigma < np.inf:
            raise ValueError(f"sigma is {self.sigma:g}; it must be above 0")
        if not 0 <= self.lam < 1:
            raise ValueError(f"lam is {self.lam:g}; it must be at least 0 and below 1")


def build(config: Config) -> Reconstructor:
    """Build the method: the magnitude of the fixed point, in the units of the measurement."""
    net = score_net(config.channels, config.levels)

    def prepare(params: Params, maps: Maps, mask: Mask) -> tuple[()]:
        del params, maps, mask
        return ()

    def solve(params: Params, prepared: tuple[()], measurement: Measurement, key: Key) -> Solution:
        del prepared, key
        sense = Sense(measurement.maps, measurement.mask)
        zero_filled = sense.adjoint(measurement.kspace)
        size = largest(magnitude(zero_filled))
        found = fixed_point(config, net, params, sense, zero_filled / jnp.where(size > 0, size, 1.0))
        # A scan of zeros has an image of zeros, which the denoiser need not leave as it is.
        return Solution(magnitude(size * found.state), found.iterations, found.error)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        return solve(params, (), measurement, key).image

    door = jax.jit(checked(apply, needs_maps=True, trained=True))
    return Reconstructor(net.init, door, Stages(prepare, solve))


def fixed_point(config: Config, net: ScoreNet, params: Params, sense: Sense, zero_filled: Image) -> Settled:
    """Iterate from the zero-filled image, which has a peak of 1, to the fixed point; its state is the complex image."""

    def step(theta: Any, x: Image) -> Image:
        params, sense, b = theta
        return net.apply(params, (1 - config.lam) * x - sense.normal(x) + b, jnp.float32(config.sigma)).mean

    def settled(advance: Any, start: Array) -> Settled:
        return settle(advance, lambda x: x, start, config.tolerance, config.n_iters)

    def solve(theta: Any, prepared: None, x0: Image) -> Settled:
        del prepared
        return settled(lambda x: step(theta, x), x0)

    def solve_adjoint(theta: Any, prepared: None, found: Settled, cotangent: Settled) -> Array:
        del prepared
        v, back = cotangent.state, jax.vjp(lambda x: step(theta, x), found.state)[1]
        w: Array = settled(lambda w: v + back(w)[0], v).state
        return w

    theta = (params, sense, zero_filled)
    return implicit(solve, lambda theta, found: step(theta, found.state), solve_adjoint, theta, zero_filled)


METHOD = Method(Config, build, {}, trained=True, settles=True, weights_of="diffusion")
