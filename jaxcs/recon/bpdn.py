"""Basis pursuit denoising: the sparsest image whose data agree with the measurement (Chen, Donoho & Saunders, 1998).

The problem is that of SPGL1 (van den Berg & Friedlander, SIAM J. Sci. Comput. 31:890, 2008), which Antun et al. (PNAS
2020) compare with the variational network.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import l2_norm
from jaxcs.fourier import centre_crop, centre_pad
from jaxcs.operators import Sense
from jaxcs.prox import soft_threshold
from jaxcs.recon import l1
from jaxcs.recon.checks import check_at_least
from jaxcs.recon.method import Method
from jaxcs.recon.staged import staged
from jaxcs.solvers import cg, chambolle_pock
from jaxcs.types import Image, Kspace, Maps, Mask, Measurement, Reconstructor, Solution


@dataclass(frozen=True)
class Config:
    """min_x ||Psi x||_1 so that ||A x - y|| <= delta, with complex magnitudes and wavelets Psi.

    Perhaps no image comes as near to the data as `delta`, because coils overdetermine it and data have noise.  Then the
    distance is 1.05 times that of the least-squares image instead; `reach` says so.

    Attributes:
        wavelet: PyWavelets filter of the periodised wavelets.
        levels: levels of the wavelets.
        delta: largest distance from the data, relative to max|A^H y|, which is 1 for a normalised measurement.
        relative: whether `delta` is relative to ||y|| instead.
        n_iters: number of iterations.
        gamma: step on the image.  0.03 suits an image with a peak of 1: 0.1 takes three times, 0.3 ten times as many
            iterations.
    """

    wavelet: str = "db2"
    levels: int = 3
    delta: float = 0.01
    relative: bool = False
    n_iters: int = 300
    gamma: float = 0.03

    def __post_init__(self) -> None:
        l1.Config(wavelet=self.wavelet, levels=self.levels)
        check_at_least("delta", self.delta, 0)
        check_at_least("n_iters", self.n_iters, 1)
        if not self.gamma > 0:
            raise ValueError(f"gamma is {self.gamma:g}; it must be above 0")


PRESETS: dict[str, Config] = {}
# The least distance is only approached, so the ball is a little larger.  Conjugate gradients end above that distance,
# by 11 % for data of 3 coils with a noise of 0.002.  So `least` is a distance that an image does reach.
_ROOM = 1.05
_LEAST_SQUARES_ITERATIONS = 100


class Reach(NamedTuple):
    """The distance from the data that was asked for, and the distance that there can be.

    Attributes:
        wanted: () delta of the configuration, in units of the measurement.
        least: () distance of the least-squares image from the data, as 100 iterations of conjugate gradients find it.
        used: () radius of the ball that the image's data lie in: the wanted one, or 1.05 times the least.
    """

    wanted: Float[Array, ""]
    least: Float[Array, ""]
    used: Float[Array, ""]

    @property
    def reachable(self) -> Array:
        """True if the wanted distance is used."""
        return self.used <= self.wanted


def reach(config: Config, measurement: Measurement) -> Reach:
    """Compute the radius that `solve` uses.

    Gradients take the least-squares image as fixed: it minimises the distance, so its own change counts for nothing.
    """
    a = Sense(measurement.maps, measurement.mask)
    y = jnp.where(measurement.mask, measurement.kspace, 0)
    fixed, data = jax.lax.stop_gradient((a, y))
    nearest = cg(fixed.normal, fixed.adjoint(data), _LEAST_SQUARES_ITERATIONS)
    least = l2_norm(a.forward(jax.lax.stop_gradient(nearest)) - y)
    wanted = config.delta * (l2_norm(y) if config.relative else jnp.ones((), least.dtype))
    return Reach(wanted, least, jnp.maximum(wanted, _ROOM * least))


@dataclass(frozen=True)
class _OnGrid:
    """A on the wavelets' grid, whose margin the data do not see."""

    sense: Sense
    grid: tuple[int, int]

    def forward(self, x: Array) -> Kspace:
        ny, nx = self.sense.maps.shape[-2:]
        return self.sense.forward(centre_crop(x, (ny, nx)))

    def adjoint(self, y: Kspace) -> Array:
        return centre_pad(self.sense.adjoint(y), self.grid)


def solve(config: Config, measurement: Measurement, prepared: None = None) -> Solution:
    """Compute the complex image.

    Args:
        config: choices of the method.
        measurement: the data.
        prepared: nothing is prepared.

    Returns:
        The solution, whose image is (ny, nx) complex.
    """
    del prepared
    shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
    psi, grid = l1.sparsifying_transform(l1.Config(wavelet=config.wavelet, levels=config.levels), shape)
    y = jnp.where(measurement.mask, measurement.kspace, 0)
    radius = reach(config, measurement).used

    def prox(x: Array, tau: float) -> Array:
        return psi.adjoint(soft_threshold(psi.forward(x), tau))

    def conjugate_prox(u: Array, sigma: float) -> Array:
        # u minus sigma times the nearest point of the ball about y to u / sigma.
        away = u / sigma - y
        distance = l2_norm(away)
        outside = distance > radius
        return sigma * away * jnp.where(outside, 1 - radius / jnp.where(outside, distance, 1.0), 0.0)

    found = chambolle_pock(
        prox,
        conjugate_prox,
        _OnGrid(Sense(measurement.maps, measurement.mask), grid),
        jnp.zeros(grid, measurement.kspace.dtype),
        (config.gamma, 1 / config.gamma),
        config.n_iters,
    )
    return found._replace(image=centre_crop(found.image, shape))


def objective(config: Config, x: Image) -> Array:
    """Compute the sum of the sizes of the wavelet coefficients of an image whose sides the levels can halve."""
    psi, _ = l1.sparsifying_transform(l1.Config(wavelet=config.wavelet, levels=config.levels), (x.shape[0], x.shape[1]))
    return jnp.sum(jnp.abs(psi.forward(x)))


def _prepare(maps: Maps, mask: Mask) -> None:
    del maps, mask


def build(config: Config) -> Reconstructor:
    """Build the method |x|, with x from `solve`."""
    return staged(_prepare, partial(solve, config))


def widened(config: Config, measurement: Measurement) -> Array:
    """Compute how many times `delta` the radius is that `solve` uses: 1 if an image comes as near to the data."""
    found = reach(config, measurement)
    return jnp.where(found.reachable, 1.0, found.used / jnp.where(found.wanted > 0, found.wanted, 1.0))


METHOD = Method(Config, build, PRESETS, widened=widened)
