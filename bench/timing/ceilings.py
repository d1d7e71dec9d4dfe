"""Limits of this machine: copying memory and multiplying matrices, as programs (see `bench.timing.programs`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bench.timing.process import Worker

_COPIED = 2**28  # bytes, several times any cache
_SIDE = 2048
_REPETITIONS = 9


class Ceilings(NamedTuple):
    """The best of nine runs each.

    Attributes:
        bandwidth: bytes read plus bytes written [bytes/s].
        product: float32 operations of a matrix product [operations/s].
    """

    bandwidth: float
    product: float


def measure() -> Ceilings:
    """Measure both limits on all cores, each in a separate process."""
    seconds = {}
    for name in ("copy", "product"):
        with Worker(f"bench.timing.ceilings:{name}", {}) as worker:
            worker.run()
            seconds[name] = min(worker.run() for _ in range(_REPETITIONS))
    return Ceilings(2 * _COPIED / seconds["copy"], 2 * _SIDE**3 / seconds["product"])


def copy(options: dict[str, Any]) -> Callable[[int], None]:
    """Copy one array into another, a part on each core."""
    cores = os.cpu_count() or 1
    source, target = np.ones(_COPIED // 8), np.zeros(_COPIED // 8)
    parts = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)
    return lambda _: list(pool.map(lambda part: np.copyto(*part), parts)).clear()


def product(options: dict[str, Any]) -> Callable[[int], Any]:
    """Multiply two square matrices with the library that our networks use."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((_SIDE, _SIDE))
    multiply = jax.jit(jnp.matmul)
    return lambda _: jax.block_until_ready(multiply(matrix, matrix))
