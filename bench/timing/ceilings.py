"""Limits of the device: copying memory and multiplying matrices, as programs (see `bench.timing.programs`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bench.timing.process import Worker

_REPETITIONS = 9


class _Sizes(NamedTuple):
    """Bytes that are copied, several times any cache; and rows and columns of the matrices."""

    copied: int
    side: int


_ON_CPU, _ON_ACCELERATOR = _Sizes(2**28, 2048), _Sizes(2**31, 8192)


class Ceilings(NamedTuple):
    """The best of nine runs each.

    Attributes:
        bandwidth: bytes read plus bytes written [bytes/s].
        product: float32 operations of a matrix product [operations/s].
    """

    bandwidth: float
    product: float


def measure(accelerator: bool) -> Ceilings:
    """Measure both limits, each in a separate process.

    Args:
        accelerator: whether JAX computes on a GPU or TPU, whose memory then counts; otherwise all cores of the CPU do.
    """
    sizes, copying = (_ON_ACCELERATOR, "copy_on_device") if accelerator else (_ON_CPU, "copy")
    seconds = []
    for name in (copying, "product"):
        with Worker(f"bench.timing.ceilings:{name}", sizes._asdict()) as worker:
            worker.run()
            seconds.append(min(worker.run() for _ in range(_REPETITIONS)))
    return Ceilings(2 * sizes.copied / seconds[0], 2 * sizes.side**3 / seconds[1])


def copy(options: dict[str, Any]) -> Callable[[int], None]:
    """Copy one array into another, a part on each core."""
    cores = os.cpu_count() or 1
    source, target = np.ones(options["copied"] // 8), np.zeros(options["copied"] // 8)
    parts = list(zip(np.array_split(target, cores), np.array_split(source, cores), strict=True))
    pool = ThreadPoolExecutor(cores)
    return lambda _: list(pool.map(lambda part: np.copyto(*part), parts)).clear()


def copy_on_device(options: dict[str, Any]) -> Callable[[int], Any]:
    """Read an array of the device's memory, and write another."""
    import jax
    import jax.numpy as jnp

    source = jnp.ones(options["copied"] // 4, jnp.float32)
    # A sum, because a copy alone may be left out.
    add = jax.jit(lambda x: x + 1)
    return lambda _: jax.block_until_ready(add(source))


def product(options: dict[str, Any]) -> Callable[[int], Any]:
    """Multiply two square matrices with the library that our networks use."""
    import jax
    import jax.numpy as jnp

    matrix = jnp.ones((options["side"], options["side"]), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    return lambda _: jax.block_until_ready(multiply(matrix, matrix))
