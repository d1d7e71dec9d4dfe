"""Growth of the cost of l1 with coils, matrix size, iterations, slices together, and devices that share the slices."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

_SHARES = (0.25, 0.5, 1.0)
_BATCHES = (1, 2, 4)


def exponent(sizes: list[float], seconds: list[float]) -> float:
    """Fit p of seconds = c size^p in logarithms, by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def points(shape: tuple[int, int, int], iterations: int) -> dict[str, list[tuple[float, dict[str, Any]]]]:
    """Choose the points of each curve.

    Sizes are rounded to whole numbers, and equal sizes are measured once.  The numbers of devices are powers of two up
    to those that JAX has.  At each point, the devices share as many slices as the largest number of devices.  With one
    device the curve has no points.

    Args:
        shape: (coils, rows, columns) of the largest point.
        iterations: iterations of the largest point.

    Returns:
        For each curve, its points: the size, and the settings that differ from `shape` and `iterations`.
    """
    import jax

    coils, rows, columns = shape
    part = lambda n, share, least=1: max(least, round(n * share))  # noqa: E731
    # Sides stay multiples of 16, so that the wavelets never pad.
    side = lambda n, share: max(16, 16 * round(n * share / 16))  # noqa: E731
    devices = [2**k for k in range(jax.device_count().bit_length())]
    sides = [(side(rows, share), side(columns, share)) for share in _SHARES]
    return {
        "coils": [(float(n), {"coils": n}) for n in sorted({part(coils, share) for share in _SHARES})],
        "pixels": [(float(ny * nx), {"rows": ny, "columns": nx}) for ny, nx in sorted(set(sides))],
        "iterations": [(float(n), {"iterations": n}) for n in sorted({part(iterations, s) for s in _SHARES})],
        "slices at once": [(float(n), {"batch": n}) for n in _BATCHES],
        "devices": [(float(n), {"batch": devices[-1], "devices": n}) for n in devices if len(devices) > 1],
    }


def measure(
    shape: tuple[int, int, int], iterations: int, repetitions: int, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Measure seconds (medians of interleaved runs) and the exponent of each curve, on random data.

    Args:
        shape: (coils, rows, columns) of the largest point.
        iterations: iterations of the largest point.
        repetitions: number of timed runs of each point.
        say: called with lines about progress.

    Returns:
        A record for each curve.
    """
    found = []
    for over, at in points(shape, iterations).items():
        if not at:
            say("no curve over devices, as JAX finds one alone")
            continue
        say(f"curve over {over}")
        base = {"coils": shape[0], "rows": shape[1], "columns": shape[2], "iterations": iterations}
        base |= {"batch": 1, "devices": 1}
        runs = [_run(**(base | differs)) for _, differs in at]
        times: list[list[float]] = [[] for _ in runs]
        for turn in range(repetitions + 1):  # the first turn compiles
            for run, seconds in zip(runs, times, strict=True):
                start = time.perf_counter()
                run()
                if turn:
                    seconds.append(time.perf_counter() - start)
        sizes, medians = [size for size, _ in at], [statistics.median(seconds) for seconds in times]
        fitted = exponent(sizes, medians) if len(sizes) > 1 else float("nan")
        found.append({"over": over, "sizes": sizes, "seconds": medians, "exponent": fitted})
    return found


def _run(coils: int, rows: int, columns: int, iterations: int, batch: int, devices: int) -> Callable[[], object]:
    import jax
    import jax.numpy as jnp
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    from jaxcs import masks
    from jaxcs.recon import l1, normalise
    from jaxcs.types import Measurement

    maps, kspace = jax.random.normal(jax.random.key(0), (2, coils, rows, columns), jnp.complex64)
    maps /= jnp.linalg.norm(maps, axis=0)
    mask = jnp.asarray(masks.random(columns, 4, 0.08, 0))
    one, _ = normalise(Measurement(jnp.where(mask, kspace, 0), mask, maps))
    config = l1.Config(n_iters=iterations, tolerance=0.0)
    if batch == 1:
        solve = jax.jit(lambda m: l1.solve(config, m))
        return lambda: jax.block_until_ready(solve(one))
    several = jax.tree.map(lambda leaf: jnp.stack([leaf] * batch), one)
    slices = PartitionSpec("slices")
    mesh = Mesh(np.array(jax.devices()[:devices]), ("slices",))
    several = jax.device_put(several, NamedSharding(mesh, slices))
    many = jax.vmap(lambda m: l1.solve(config, m))
    solve_all = jax.jit(jax.shard_map(many, mesh=mesh, in_specs=slices, out_specs=slices, check_vma=False))
    return lambda: jax.block_until_ready(solve_all(several))
