"""Memory and time of a run, estimated before anything is compiled."""

from __future__ import annotations

import math
import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from bench.harness.campaign import Work
from bench.harness.parallel import workers
from jaxcs.attacks import ATTACKS
from jaxcs.recon import METHODS
from jaxcs.solvers.fit import ADJOINT_ITERATIONS

_COMPLEX_BYTES = 8
# JAX, its compiled code and the host's copies.
_BASE_MEMORY = 800e6
# k-space-sized arrays that live at once in an attack step: data, maps, perturbations, gradient, transforms.
_LIVE_ARRAYS = 20
# One iteration of a solver, in units of the two Fourier transforms of all coils that it needs at least.
_ITERATION_COST = 2.0
_POINTS = 2**17
# Of all cores together, where channels are few; compiling a network takes longer than running it.
_MULTIPLICATIONS_PER_SECOND, _NETWORK_COMPILE_SECONDS = 1.0e10, 30.0
# Of fits, which have more channels; and a step that is differentiated, in steps that are not.
_MULTIPLICATIONS_OF_FITS, _THROUGH_STEP = 5.0e10, 5
# Import, compilation for one shape, figure and report.
_FIXED_SECONDS, _COMPILE_SECONDS, _SECONDS_PER_IMAGE = 5.0, 12.0, 0.5


def estimate(shapes: list[tuple[int, int, int]], work: Work) -> tuple[float, float]:
    """Peak memory [bytes] and time [s], each within a factor of about two."""
    if METHODS[work.config.method].trained:
        return _estimate_network(shapes, work)
    if METHODS[work.config.method].fitted:
        return _estimate_fit(shapes, work)
    iterations = getattr(work.method_config, "n_iters", 1)
    # A gradient costs the reconstruction and a third as much for its implicit adjoint, or twice as much unrolled.
    gradient = 4 / 3 if getattr(work.method_config, "differentiate", "implicit") == "implicit" else 3
    reconstructions = 1 + len(work.config.eps) * (gradient * work.gradients_per_epsilon() + 2)
    points = sum(math.prod(shape) for shape in shapes)
    computed = points * _seconds_per_point() * _ITERATION_COST * iterations * reconstructions / workers()
    overhead = _FIXED_SECONDS + len(set(shapes)) * _COMPILE_SECONDS + len(shapes) * _SECONDS_PER_IMAGE
    live = workers() * work.batch * max(math.prod(shape) for shape in shapes) * _COMPLEX_BYTES * _LIVE_ARRAYS
    return _BASE_MEMORY + live, computed + overhead


def _estimate_network(shapes: list[tuple[int, int, int]], work: Work) -> tuple[float, float]:
    # A gradient costs a forward and a backward pass of about the same work.
    passes = 1 + len(work.config.eps) * (2 * work.gradients_per_epsilon() + 2)
    computed = (
        sum(_multiplications(work.method_config, shape) for shape in shapes) * passes / _MULTIPLICATIONS_PER_SECOND
    )
    overhead = _FIXED_SECONDS + len(set(shapes)) * _NETWORK_COMPILE_SECONDS + len(shapes) * _SECONDS_PER_IMAGE
    live = max(_activations(work.method_config, shape) for shape in shapes) * workers() * work.batch
    return _BASE_MEMORY + live, computed + overhead


def _estimate_fit(shapes: list[tuple[int, int, int]], work: Work) -> tuple[float, float]:
    """In steps of the fit: a forward and a backward pass, most of it on the two largest images."""
    config, attack = work.method_config, ATTACKS[work.config.attack]
    through = {
        "warm": _THROUGH_STEP * config.gradient_steps,
        "truncated": config.n_steps + _THROUGH_STEP * config.gradient_steps,
        "unroll": _THROUGH_STEP * config.n_steps,
        "implicit": config.n_steps + _THROUGH_STEP * ADJOINT_ITERATIONS,
    }
    searched = work.gradients_per_epsilon() * (1 if attack.sees == "objective" else through[config.gradient])
    begun = config.gradient == "warm" and attack.searches
    steps = (1 + begun + 2 * len(work.config.eps)) * config.n_steps + len(work.config.eps) * searched
    pixels = sum(ny * nx for _, ny, nx in shapes)
    computed = steps * config.seeds * 66 * config.channels**2 * pixels / _MULTIPLICATIONS_OF_FITS
    overhead = _FIXED_SECONDS + len(set(shapes)) * 3 * _NETWORK_COMPILE_SECONDS + len(shapes) * _SECONDS_PER_IMAGE
    live = 200 * config.channels * max(ny * nx for _, ny, nx in shapes) * workers() * work.batch
    return _BASE_MEMORY + live, computed + overhead


def _multiplications(config: Any, shape: tuple[int, int, int]) -> float:
    """Of one forward pass: 40.5 channels^2 a pixel and level, as each has twice the channels on a quarter."""
    coils, ny, nx = shape

    def unet(channels: int, pools: int) -> float:
        return 40.5 * channels**2 * (pools + 1 / 3) * ny * nx

    if not hasattr(config, "cascades"):
        return unet(config.channels, config.pools)
    maps = coils * unet(config.sens_channels, config.sens_pools)
    return maps + config.cascades * unet(config.channels, config.pools)


def _activations(config: Any, shape: tuple[int, int, int]) -> float:
    """Bytes kept for a gradient: some ten float32 images a channel and U-Net, all levels together."""
    coils, ny, nx = shape
    images = config.channels * getattr(config, "cascades", 1) + coils * getattr(config, "sens_channels", 0)
    return 10 * 4 * ny * nx * images + _COMPLEX_BYTES * _LIVE_ARRAYS * coils * ny * nx


def _seconds_per_point() -> float:
    """Two Fourier transforms of rows of 128, per point, measured."""
    rows = jnp.ones((_POINTS // 128, 128), jnp.complex64)
    there_and_back = jax.jit(lambda x: jnp.fft.ifft(jnp.fft.fft(x)))
    there_and_back(rows).block_until_ready()
    times = []
    for _ in range(9):
        start = time.perf_counter()
        there_and_back(rows).block_until_ready()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / _POINTS
