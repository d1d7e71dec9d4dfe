"""Autocalibrated LORAKS: the image whose k-space the filters of the fully sampled centre annihilate.

Haldar, IEEE Trans. Med. Imaging 33:668, 2014, has the matrices C and S, Haldar & Zhuo, MRM 75:1499, 2016, those of many
coils (P-LORAKS), and Haldar, ISBI 2015, p. 910, takes their null space from the centre (AC-LORAKS).  C alone is the
null space of PRUNO and ESPIRiT (Zhang et al., MRM 66:1241, 2011).  No coil maps are needed.

Two choices differ from these papers.  The null space has smooth weights in place of a rank, see
`jaxcs.operators.null_space`, so that an attack has a gradient through the calibration.  And every filter has the weight
`ridge` at least: noise would be amplified where the filters do not determine the missing samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import filtered, ifft2c
from jaxcs.operators.annihilation import Annihilation, annihilation, complete, gram
from jaxcs.operators.null_space import null_space
from jaxcs.recon.checks import check_at_least, checked
from jaxcs.recon.method import Method, looser
from jaxcs.solvers.cg import settled_cg
from jaxcs.solvers.fixed_point import implicit
from jaxcs.solvers.settle import Settled
from jaxcs.types import Key, Magnitude, Maps, Mask, Measurement, Params, Reconstructor, Solution, Stages


@dataclass(frozen=True)
class Config:
    """min_x 1/2 ||M F x - y||^2 + lam / 2 (sum_j w_j ||f_j * k||^2 / neighbours + ridge ||x||^2), x the coil images.

    Attributes:
        radius: radius of the neighbourhoods [samples].
        phase: True for the matrix S, which knows that the image's phase is smooth; False for C.
        threshold: singular value of the centre's matrix with the weight 1/2, relative to the largest [-].
        lam: weight of the penalty, relative to the data term.
        ridge: weight of the coil images' squared norm, relative to the penalty, above 0.
        tolerance: the solver stops at this estimated distance from the minimiser, relative to its norm [-].
        n_iters: largest number of iterations of conjugate gradients, of the solution and again of the gradient.
    """

    radius: int = 2
    phase: bool = True
    threshold: float = 0.01
    lam: float = 0.01
    ridge: float = 0.01
    tolerance: float = 3e-4
    n_iters: int = 500

    def __post_init__(self) -> None:
        for name, low in (("radius", 1), ("threshold", 1e-4), ("lam", 1e-6), ("ridge", 1e-6), ("tolerance", 0)):
            check_at_least(name, getattr(self, name), low)
        check_at_least("n_iters", self.n_iters, 1)


class _Problem(NamedTuple):
    """The normal equations of coil images, on which the solution depends.

    Attributes:
        mask: the mask, its zero frequency first.
        penalty: the filters.
        b: (coil, ny, nx) coil images of the zero-filled data.
    """

    mask: Mask
    penalty: Annihilation
    b: Array


def coil_images(config: Config, measurement: Measurement) -> Settled:
    """Compute the minimiser; its state is (coil, ny, nx) complex.

    The gradient in the k-space is that of the minimiser, through data and filters.
    """
    kspace = jnp.where(measurement.mask, measurement.kspace, 0)
    weights = null_space(gram(kspace, measurement.mask, config.radius, phase=config.phase), config.threshold)
    n_coils, ny, nx = kspace.shape
    penalty = annihilation(weights, (n_coils, ny, nx), config.radius, phase=config.phase)

    def normal(problem: _Problem, x: Array) -> Array:
        return filtered(x, problem.mask) + config.lam * (problem.penalty.normal(x) + config.ridge * x)

    def solve(problem: _Problem, prepared: None, start: None) -> Settled:
        del prepared, start
        return settled_cg(lambda x: normal(problem, x), problem.b, config.tolerance, config.n_iters)

    def solve_adjoint(problem: _Problem, prepared: None, found: Settled, cotangent: Settled) -> Array:
        # Cotangents are conjugated vectors.
        del found
        b = jnp.conj(cotangent.state)
        return jnp.conj(solve(problem._replace(b=b), prepared, None).state)

    def descent(problem: _Problem, found: Settled) -> Array:
        return problem.b - normal(problem, found.state)

    mask = jnp.fft.ifftshift(measurement.mask)
    return implicit(solve, descent, solve_adjoint, _Problem(mask, penalty, ifft2c(kspace)), None)


def build(config: Config) -> Reconstructor:
    """Build the method: root sum of squares of the coil images, without `measurement.maps`."""

    def prepare(params: Params, maps: Maps, mask: Mask) -> tuple[()]:
        del params, maps, mask
        return ()

    def solve(params: Params, prepared: tuple[()], measurement: Measurement, key: Key) -> Solution:
        del params, prepared, key
        found = coil_images(config, measurement)
        return Solution(root_sum_of_squares(found.state), found.iterations, found.error)

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        return solve(params, (), measurement, key).image

    door = jax.jit(checked(apply, needs_maps=False))
    return Reconstructor(lambda key: {}, door, Stages(prepare, solve))


def check_scan(config: Config, shape: tuple[int, ...], mask: np.ndarray, training: Mapping[str, Any]) -> None:
    """Raise ValueError if no neighbourhood is measured completely, so that there are no filters.

    Args:
        config: the method.
        shape: (coil, ny, nx) of the k-space.
        mask: (nx,) or (ny, nx) bool.
        training: not used.
    """
    del training
    if not np.any(complete(jnp.asarray(mask), (shape[-2], shape[-1]), config.radius)):
        side = 2 * config.radius + 1
        raise ValueError(f"a radius of {config.radius} needs a fully sampled centre of at least {side} x {side}")


METHOD = Method(
    Config,
    build,
    {},
    searched=looser,
    uses_maps=lambda config: False,
    check_scan=check_scan,
    coils=lambda config: lambda measurement, key: coil_images(config, measurement).state,
)
