"""Certificates of linear methods: what no perturbation of the threat set can do, beside what the attack found."""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.slices.prepare import Prepared
from jaxcs.complex import l2_norm
from jaxcs.measures.certificate import error_bounds, error_of
from jaxcs.operators import Sense
from jaxcs.recon import sense, zero_filled
from jaxcs.types import Measurement, SliceData

# Sets of perturbations that lie in a ball of the measured data, with epsilon relative to the norm of these or of all.
_BALLS = ("measured", "per_coil", "kspace")


def certified(config: RunConfig, prepared: Prepared, victim: Subject) -> dict[float, dict[str, float]]:
    """Compute the worst PSNR and NMSE that any perturbation of each epsilon allows.

    Args:
        config: settings of the run.
        prepared: the slice.
        victim: the method.

    Returns:
        By epsilon, "psnr" [dB] and "nmse" [-].  Empty if there is no certificate: for methods that are not linear,
        changes of the scan, coil maps that follow the data, regions, and SENSE by conjugate gradients.
    """
    method, data = victim.method_config, prepared.data
    if isinstance(method, zero_filled.Config):
        lam = None
    elif isinstance(method, sense.Config) and method.solver == "rows" and data.mask.ndim == 1:
        lam = method.lam
    else:
        return {}
    if config.threat != "noise" or config.norm not in _BALLS or config.maps != "fixed" or config.region is not None:
        return {}
    error = _error(data, lam)
    size = float(l2_norm(data.kspace if config.norm == "kspace" else jnp.where(data.mask, data.kspace, 0)))
    bounds = error_bounds(error, [eps * size for eps in config.eps], data.maps, data.mask, lam)
    pixels, peak, energy = data.target.size, float(data.data_range), float(jnp.sum(data.target**2))
    return {
        eps: {"psnr": -20 * math.log10(bound / math.sqrt(pixels) / peak), "nmse": bound**2 / energy}
        for eps, bound in zip(config.eps, bounds, strict=True)
        if bound > 0
    }


@partial(jax.jit, static_argnames="lam")
def _error(data: SliceData, lam: float | None) -> Array:
    """The error of the clean complex image; lam: weight of SENSE, None for zero-filling."""
    measured = jnp.where(data.mask, data.kspace, 0)
    if lam is None:
        return error_of(Sense(data.maps, data.mask).adjoint(measured), data.target)
    solution = sense.solve(sense.Config(lam), Measurement(measured, data.mask, data.maps))
    return error_of(solution.image, data.target)
