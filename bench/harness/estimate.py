"""Memory and time of a run, estimated before anything is compiled."""

from __future__ import annotations

import time
from typing import Any

import jax.numpy as jnp
import numpy as np

from bench.harness.config import RunConfig

_COMPLEX_BYTES = 8
# JAX, its compiled code and the host's copies.
_BASE_MEMORY = 700e6
# k-space-sized arrays that live at once in an attack step: data, maps, perturbations, gradient, transforms.
_LIVE_ARRAYS = 16
# One normal operation with its prox, in units of one batch of Fourier transforms of all coils.
_ITERATION_COST = 2.5
_COMPILE_SECONDS = 12.0
_SECONDS_PER_IMAGE = 0.5


def estimate(
    shapes: list[tuple[int, int, int]], config: RunConfig, method_config: Any, attack_config: Any, batch: int
) -> tuple[float, float]:
    """Peak memory [bytes] and time [s], each within a factor of about two."""
    largest = max(np.prod(shape) for shape in shapes)
    memory = _BASE_MEMORY + batch * largest * _COMPLEX_BYTES * _LIVE_ARRAYS
    iterations = getattr(method_config, "n_iters", 1)
    # A gradient costs the reconstruction and about as much again for its adjoint; unrolled, one more.
    gradient = 2 if getattr(method_config, "differentiate", "implicit") == "implicit" else 3
    steps = getattr(attack_config, "n_steps", 0) * getattr(attack_config, "restarts", 1)
    reconstructions = 1 + len(config.eps) * (gradient * steps + 3)
    transform = _seconds_per_transform(shapes[0])
    work = sum(np.prod(shape) / np.prod(shapes[0]) for shape in shapes)
    seconds = work * transform * _ITERATION_COST * iterations * reconstructions
    kinds = len(set(shapes))
    return float(memory), float(seconds + kinds * _COMPILE_SECONDS + len(shapes) * _SECONDS_PER_IMAGE)


def _seconds_per_transform(shape: tuple[int, int, int]) -> float:
    """One Fourier transform along the columns of all coils, measured."""
    array = jnp.ones(shape, jnp.complex64)
    jnp.fft.fft(array).block_until_ready()
    start = time.perf_counter()
    for _ in range(3):
        jnp.fft.fft(array).block_until_ready()
    return (time.perf_counter() - start) / 3
