"""l1-regularised reconstruction: compressed sensing MRI (Lustig et al., MRM 58:1182, 2007; here with coil maps).

This is the paper's "l1-minimization" (Darestani et al., ICML 2021, section 2.1), solved to its minimum; what the
paper's code ran instead is the preset `rc2021`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.complex import magnitude
from jaxcs.fourier import centre_crop, centre_pad
from jaxcs.operators import DCT, Fourier, Sense, Wavelet
from jaxcs.operators.row_coils import RowCoils, quickest
from jaxcs.operators.wavelet import filters
from jaxcs.prox import soft_threshold
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.solvers import fista, ista
from jaxcs.solvers.fixed_point import DIFFERENTIATE, Differentiate
from jaxcs.types import (
    Image,
    Key,
    LinearOperator,
    Magnitude,
    MakeVariational,
    Measurement,
    Params,
    Reconstructor,
    Variational,
)

SOLVERS = {"fista": fista, "ista": ista}


@dataclass(frozen=True)
class Config:
    """min_x 1/2 ||A x - y||^2 + lam ||Psi x||_1, Psi orthogonal.

    basis: Psi; for "wavelet" with the PyWavelets filter `wavelet` on `levels` levels, periodised.
    lam: relative to max|A^H y|, which is 1 for a normalised measurement.
    solver, step, n_iters: the step is in units of 1 / ||A||^2, and ||A|| is at most 1 with normalised maps.
    differentiate: "implicit" or "unroll", see `jaxcs.solvers.fixed_point`.
    """

    basis: Literal["wavelet", "fourier", "dct"] = "wavelet"
    wavelet: str = "db4"
    levels: int = 4
    lam: float = 0.002
    solver: Literal["fista", "ista"] = "fista"
    step: float = 1.0
    n_iters: int = 60
    differentiate: Differentiate = "implicit"

    def __post_init__(self) -> None:
        check_choice("basis", self.basis, ("wavelet", "fourier", "dct"))
        check_choice("solver", self.solver, SOLVERS)
        check_choice("differentiate", self.differentiate, DIFFERENTIATE)
        check_at_least("lam", self.lam, 0)
        check_at_least("levels", self.levels, 0)
        check_at_least("n_iters", self.n_iters, 1)
        if not 0 < self.step < 2:
            raise ValueError(f"step {self.step:g} does not converge; it must lie between 0 and 2")
        filters(self.wavelet)


# What the ICML 2021 code ran under the name of l1 in its attack: plain gradient descent from 0, learning rate 1e6 on
# the mean over 15 * 640 * 368 * 2 real entries, which is a step of 0.283, for 1000 iterations.  Its lambda of 1e-18
# moves no pixel by more than 1e-5 of the peak, so that the iteration is Landweber's and stopping early regularises.
RC2021 = Config(lam=0.0, solver="ista", step=0.283, n_iters=1000, differentiate="unroll")

PRESETS = {"rc2021": RC2021}


def wavelet_grid(config: Config, shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """The levels used for a matrix of `shape`, and the grid, padded where levels cannot halve the matrix."""
    levels = min(config.levels, int(math.log2(min(shape))))
    block = 2**levels
    return levels, (-(-shape[0] // block) * block, -(-shape[1] // block) * block)


def sparsifying_transform(config: Config, shape: tuple[int, int]) -> tuple[LinearOperator, tuple[int, int]]:
    """Psi and the grid that it lives on, which is `shape` but for padded wavelets."""
    if config.basis == "wavelet":
        levels, grid = wavelet_grid(config, shape)
        return Wavelet(config.wavelet, levels), grid
    return (Fourier() if config.basis == "fourier" else DCT()), shape


def solve(config: Config, measurement: Measurement) -> Image:
    """The complex minimiser (ny, nx).

    Where levels cannot halve the matrix, x lives on a larger grid whose margin the data do not see: the problem stays
    convex, its prox exact, and the image is the crop.
    """
    a = Sense(measurement.maps, measurement.mask)
    shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
    psi, grid = sparsifying_transform(config, shape)

    def gradient(theta: tuple[Sense | RowCoils, Array], x: Array) -> Array:
        a, b = theta
        return centre_pad(a.normal(centre_crop(x, shape)) - b, grid)

    def prox(theta: tuple[Sense | RowCoils, Array], z: Array, step: float) -> Array:
        del theta
        if config.lam == 0:
            return z
        return psi.adjoint(soft_threshold(psi.forward(z), step * config.lam))

    theta = (a, a.adjoint(measurement.kspace))
    x0 = jnp.zeros(grid, measurement.kspace.dtype)
    x = SOLVERS[config.solver](
        gradient,
        prox,
        theta,
        x0,
        config.step,
        config.n_iters,
        config.differentiate,
        quicken=lambda theta: (quickest(theta[0]), theta[1]),
    )
    return centre_crop(x, shape)


def objective(config: Config, measurement: Measurement, x: Image) -> Array:
    """The value that `solve` minimises, at an image on the solver's grid (see `sparsifying_transform`)."""
    a = Sense(measurement.maps, measurement.mask)
    shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
    psi, _ = sparsifying_transform(config, shape)
    misfit = a.forward(centre_crop(x, shape)) - jnp.where(measurement.mask, measurement.kspace, 0)
    return 0.5 * jnp.sum(magnitude(misfit) ** 2) + config.lam * jnp.sum(magnitude(psi.forward(x)))


def build(config: Config) -> Reconstructor:
    """|x| of `solve`."""

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del params, key
        return magnitude(solve(config, measurement))

    return Reconstructor(init=lambda key: {}, apply=jax.jit(apply))


def variational(config: Config) -> MakeVariational:
    """What `solve` minimises, over images on the solver's grid, from 0."""

    def of(measurement: Measurement, key: Key) -> Variational:
        del key
        shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
        _, grid = sparsifying_transform(config, shape)
        return Variational(
            first=jnp.zeros(grid, measurement.kspace.dtype),
            objective=lambda x, kspace: objective(config, measurement._replace(kspace=kspace), x),
            coils=lambda x: measurement.maps * centre_crop(x, shape),
        )

    return of
