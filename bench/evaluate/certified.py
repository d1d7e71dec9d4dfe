"""Certificates of linear and of smoothed methods: what no perturbation can do, beside what the attack found."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.slices.prepare import Prepared
from jaxcs.complex import l2_norm
from jaxcs.fourier import image_crop
from jaxcs.keys import new_key
from jaxcs.measures.center_smoothing import distance_bound, distances_by
from jaxcs.measures.certificate import error_bounds, error_of
from jaxcs.operators import Sense
from jaxcs.recon import fitted, sense, zero_filled
from jaxcs.recon.smoothed import Smoothing, draw_by, noise_keys, rounded
from jaxcs.recon.staged import stages_of
from jaxcs.types import Key, Measurement, SliceData

# Probability with which the certificate of a smoothed method holds, over the draws of its noise.
CONFIDENCE = 0.95
# Added to the seed of a run for these draws.
_CERTIFICATE = 0xCE27
# Sets of perturbations that lie in a ball of the measured data, with epsilon relative to the norm of these or of all.
_BALLS = ("measured", "per_coil", "kspace")


def certified(config: RunConfig, prepared: Prepared, victim: Subject) -> dict[float, dict[str, float]]:
    """Compute the worst PSNR and NMSE that any perturbation of each epsilon allows.

    Args:
        config: settings of the run.
        prepared: the slice.
        victim: the method.

    Returns:
        By epsilon, "psnr" [dB] and "nmse" [-]; of smoothed methods also the "confidence" [-] of both.  Empty if there
        is no certificate: for other methods, changes of the scan, coil maps that follow the data, regions, and SENSE by
        conjugate gradients; for smoothed methods without draws for it, and for an epsilon too large for these draws.
    """
    method, data = victim.method_config, prepared.data
    if config.threat != "noise" or config.norm not in _BALLS or config.maps != "fixed" or config.region is not None:
        return {}
    measured = float(l2_norm(jnp.where(data.mask, data.kspace, 0)))
    size = float(l2_norm(data.kspace)) if config.norm == "kspace" else measured
    radii = [eps * size for eps in config.eps]
    if isinstance(method, Smoothing):
        bounds, more = _of_smoothed(victim, data, radii, measured, config.seed), {"confidence": CONFIDENCE}
    elif type(method) is zero_filled.Config:
        bounds, more = error_bounds(_error(data, None), radii, data.maps, data.mask), {}
    elif type(method) is sense.Config and method.solver == "rows" and data.mask.ndim == 1:
        bounds, more = error_bounds(_error(data, method.lam), radii, data.maps, data.mask, method.lam), {}
    else:
        return {}
    pixels, peak, energy = data.target.size, float(data.data_range), float(jnp.sum(data.target**2))
    return {
        eps: {"psnr": -20 * math.log10(bound / math.sqrt(pixels) / peak), "nmse": bound**2 / energy} | more
        for eps, bound in zip(config.eps, bounds, strict=True)
        if 0 < bound < math.inf
    }


def _of_smoothed(victim: Subject, data: SliceData, radii: list[float], measured: float, seed: int) -> list[float]:
    """Bound the error of a smoothed method; infinity where there is no bound.

    measured: norm of the measured samples.  The draws are none of those of any image of the run.
    """
    shape = (data.target.shape[0], data.target.shape[1])
    method = fitted(victim.method_config, data.maps.shape[1:], data.target.shape)
    if method.certify == 0 or method.inner.random is not None:  # the noise is not all that is random
        return [math.inf] * len(radii)
    middle_key, key = jax.random.split(jax.random.fold_in(new_key(seed), _CERTIFICATE))
    error, distances = _drawn(method, shape)(victim.params, data, middle_key, key)
    samples = int(np.sum(np.broadcast_to(np.asarray(data.mask), data.kspace.shape)))
    reals = samples * (2 if jnp.iscomplexobj(data.kspace) else 1)
    found = []
    for radius in radii:
        smaller, larger = (float(rounded(jnp.float32(measured + sign * radius))) for sign in (-1, 1))
        # A perturbation that changes the noise is none that the noise hides.
        constant = radius < measured and smaller == larger
        sigma = method.smoothing * larger / math.sqrt(reals)
        bound = distance_bound(np.asarray(distances), radius, sigma, method.draws, method.average, CONFIDENCE)
        found.append(float(error) + bound if constant else math.inf)
    return found


@lru_cache(maxsize=8)
def _drawn(method: Smoothing, shape: tuple[int, int]) -> Callable[[Any, SliceData, Key, Key], tuple[Array, Array]]:
    """Build the function (parameters, slice, two keys) -> error of an image, and distances of further images from it.

    The image is the mean of as many draws as the method has, which lies amid the others.
    """
    inner = method.inner.build(method.plain())
    solutions, prepare = draw_by(inner, method.smoothing), stages_of(inner).prepare

    def drawn(params: Any, data: SliceData, middle_key: Key, key: Key) -> tuple[Array, Array]:
        measurement = Measurement(jnp.where(data.mask, data.kspace, 0), data.mask, data.maps)
        prepared = prepare(params, data.maps, data.mask)

        def images(keys: Key) -> Array:
            return image_crop(solutions(params, prepared, measurement, key, keys).image, shape)

        middle = jnp.mean(images(noise_keys(middle_key, method.draws)), axis=0)
        distances = distances_by(lambda one: images(one[None])[0], middle, noise_keys(key, method.certify))
        return l2_norm(middle - data.target), distances

    return jax.jit(drawn)


@partial(jax.jit, static_argnames="lam")
def _error(data: SliceData, lam: float | None) -> Array:
    """The error of the clean complex image; lam: weight of SENSE, None for zero-filling."""
    measured = jnp.where(data.mask, data.kspace, 0)
    if lam is None:
        return error_of(Sense(data.maps, data.mask).adjoint(measured), data.target)
    solution = sense.solve(sense.Config(lam), Measurement(measured, data.mask, data.maps))
    return error_of(solution.image, data.target)
