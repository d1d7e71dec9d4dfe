"""Least-squares SENSE with Tikhonov regularisation (Pruessmann et al., MRM 46:638, 2001)."""

from __future__ import annotations

from dataclasses import dataclass

import jax
from jaxtyping import Array

from jaxcs.complex import magnitude
from jaxcs.operators import Sense
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.solvers import cg
from jaxcs.solvers.fixed_point import DIFFERENTIATE, Differentiate
from jaxcs.types import Image, Key, Magnitude, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """min_x 1/2 ||A x - y||^2 + lam / 2 ||x||^2.

    lam: Tikhonov weight, relative to ||A||^2 <= 1.  n_iters: CG iterations.
    differentiate: "implicit" or "unroll", see `jaxcs.solvers.fixed_point`.
    """

    lam: float = 0.01
    n_iters: int = 40
    differentiate: Differentiate = "implicit"

    def __post_init__(self) -> None:
        check_choice("differentiate", self.differentiate, DIFFERENTIATE)
        check_at_least("lam", self.lam, 0)
        check_at_least("n_iters", self.n_iters, 1)


def solve(config: Config, measurement: Measurement) -> Image:
    """The complex image (A^H A + lam)^-1 A^H y.  It is linear in the k-space."""
    a = Sense(measurement.maps, measurement.mask)

    def normal(a: Sense, x: Array) -> Array:
        return a.normal(x) + config.lam * x

    return cg(normal, a, a.adjoint(measurement.kspace), config.n_iters, config.differentiate)


def build(config: Config) -> Reconstructor:
    """|x| of `solve`."""

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del params, key
        return magnitude(solve(config, measurement))

    return Reconstructor(init=lambda key: {}, apply=jax.jit(apply))
