"""What this machine can do at most: copy memory, and multiply matrices; programs, as in `bench.timing.programs`."""

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
    """bandwidth [bytes/s], read and written together; product [operations/s] in float32.  Best of nine runs each."""

    bandwidth: float
    product: float


def measure() -> Ceilings:
    """Both ceilings, each in a process of its own, with all cores."""
    seconds = {}
    for name in ("copy", "product"):
        with Worker(f"bench.timing.ceilings:{name}", {}) as worker:
            worker.run()
            seconds[name] = min(worker.run() for _ in range(_REPETITIONS))
    return Ceilings(2 * _COPIED / seconds["copy"], 2 * _SIDE**3 / seconds["product"])


def copy(options: dict[str, Any]) -> Callable[[int], None]:
    """One array into another, a part on each core."""
    cores = os.cpu_count() or 1
    source, target = np.ones(_COPIED // 8), np.zeros(_COPIED // 8)
    parts = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)
    return lambda _: list(pool.map(lambda part: np.copyto(*part), parts)).clear()


def product(options: dict[str, Any]) -> Callable[[int], Any]:
    """Two square matrices, by the library that our networks use."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((_SIDE, _SIDE))
    multiply = jax.jit(jnp.matmul)
    return lambda _: jax.block_until_ready(multiply(matrix, matrix))
