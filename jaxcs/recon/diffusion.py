"""Sampling with a diffusion model: images from their distribution given the data, with a score network as the prior.

The network is trained on images alone, and knows of no mask.  Each draw is one of many images that agree with the data
and with the prior; the key decides which.  A fixed key makes the method a function of the data, through which a
gradient goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcs.complex import largest, magnitude
from jaxcs.nets.score import ScoreNet, complex_noise, matching_loss, score_net
from jaxcs.operators import Sense
from jaxcs.recon.checks import check_at_least, checked
from jaxcs.recon.method import Method, TrainLoss
from jaxcs.recon.scale import peak
from jaxcs.solvers import cg
from jaxcs.solvers.annealed import annealed, noise_levels
from jaxcs.types import Image, Key, Magnitude, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """The network and the sampler; lengths are relative to the peak of the zero-filled image.

    Attributes:
        channels: channels of the network's first level.
        levels: number of the network's levels.
        steps: number of noise levels, each with one pass through the network.
        first: first noise level [-].
        last: last noise level [-].
        noise: standard deviation of the data's noise, in each of real and imaginary part [-].
        cg_iters: iterations of conjugate gradients for the data consistency of each step.
    """

    channels: int = 24
    levels: int = 3
    steps: int = 30
    first: float = 3.0
    last: float = 0.01
    noise: float = 0.006
    cg_iters: int = 15

    def __post_init__(self) -> None:
        for name in ("channels", "levels", "steps", "cg_iters"):
            check_at_least(name, getattr(self, name), 1)
        if not 0 < self.last <= self.first < np.inf:
            raise ValueError(f"last is {self.last:g} and first {self.first:g}; need 0 < last <= first")
        if not 0 < self.noise < np.inf:
            raise ValueError(f"noise is {self.noise:g}; it must be above 0")


PRESETS = {"small": Config()}


def build(config: Config) -> Reconstructor:
    """Build the method: the magnitude of the image that the key draws, in the units of the measurement."""
    net = score_net(config.channels, config.levels)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        sense = Sense(measurement.maps, measurement.mask)
        size = largest(magnitude(sense.adjoint(measurement.kspace)))
        image = sample(config, net, params, sense, measurement.kspace / jnp.where(size > 0, size, 1.0), key)
        # A scan of zeros says nothing, and has an image of zeros instead of one that the prior draws.
        return magnitude(size * image)

    return Reconstructor(net.init, jax.jit(checked(apply, needs_maps=True, trained=True)))


def sample(config: Config, net: ScoreNet, params: Params, sense: Sense, kspace: Array, key: Key) -> Image:
    """Draw the complex image of k-space whose zero-filled image has a peak of 1."""
    shape = kspace.shape[1:]

    def given_data(x: Image, sigma: Array, key: Key | None) -> Image:
        """The image between the denoised image and the data: drawn, or their mean if there is no key.

        A Gaussian is drawn by a mean from disturbed data (Papandreou & Yuille, NIPS 2010).
        """
        mean, spread = net.apply(params, x, sigma)
        weight, y = (config.noise / spread) ** 2, kspace
        if key is not None:
            image_key, data_key = jax.random.split(key)
            mean = mean + spread * complex_noise(image_key, shape)
            y = y + config.noise * complex_noise(data_key, y.shape)
        change = cg(lambda v: sense.normal(v) + weight * v, sense.adjoint(y - sense.forward(mean)), config.cg_iters)
        return mean + change

    levels = noise_levels(config.first, config.last, config.steps)
    last = annealed(given_data, lambda key: complex_noise(key, shape), levels, key)
    return given_data(last, jnp.float32(levels[-1]), None)


def train_loss(config: Config) -> TrainLoss:
    """Build the loss of denoising score matching, on the coil-combined image of a whole scan.

    Each image gets a random phase, because the phase of a scan is arbitrary.
    """
    net = score_net(config.channels, config.levels)

    def of(params: Params, whole: Measurement, key: Key) -> Array:
        phase_key, loss_key = jax.random.split(key)
        image = Sense(whole.maps, whole.mask).adjoint(whole.kspace)
        angle = 2 * jnp.pi * jax.random.uniform(phase_key, dtype=jnp.float32)
        return matching_loss(net, params, jnp.exp(1j * angle) * image / peak(image), loss_key)

    return of


METHOD = Method(Config, build, PRESETS, trained=True, random="the sampler", train_loss=train_loss)
