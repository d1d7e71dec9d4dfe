"""Time one row: each side runs in a separate process; the sides take turns, so a busy machine slows all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench.timing.ceilings import Ceilings
from bench.timing.converge import LIMIT, nrmse, smallest
from bench.timing.counts import Counts
from bench.timing.process import Worker, WorkerError
from bench.timing.rows import Row, Side


def measure(
    row: Row, repetitions: int, folder: Path, ceilings: Ceilings, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Time all sides of a row; a peer that fails is reported and skipped.

    Args:
        row: the work and its sides.
        repetitions: number of timed runs of each side.
        folder: folder for the images of solvers.
        ceilings: limits of the machine.
        say: called with lines about progress.

    Returns:
        A record for each side: who, iterations, seconds, ratio to ours, peak memory [bytes], shares of the limits; and
        `first_s`, the first run with its compilation [s], unless the row converges.

    Raises:
        WorkerError: our own side fails.
    """
    with ExitStack() as stack:
        workers: list[tuple[Side, Worker, int, dict[str, Any]]] = []
        solutions: list[np.ndarray] = []
        for index, side in enumerate(row.sides):
            say(f"{row.name}: {side.who}")
            try:
                worker = stack.enter_context(Worker(side.program, side.options, side.interpreter))
                iterations, found = row.iterations, dict[str, Any]()
                if row.converge:
                    iterations, found, solution = _converge(worker, folder / f"{row.name}-{index}.npy")
                    solutions.append(solution)
                    found["nrmse_to_our_solution"] = nrmse(solution, solutions[0])
                begun = time.perf_counter()
                worker.run(iterations)  # compiles, and loads the memory
                if not row.converge:  # otherwise it has run before
                    found["first_s"] = time.perf_counter() - begun
                workers.append((side, worker, iterations, found))
            except WorkerError as error:
                if index == 0:
                    raise
                say(f"{row.name}: {side.who} is left out: {error}")
        times: list[list[float]] = [[] for _ in workers]
        for _ in range(repetitions):
            for (_, worker, iterations, _), seconds in zip(workers, times, strict=True):
                # An untimed run first if the run is short: memory returns slowly to the caches after another side's
                # turn.
                if not row.converge:
                    worker.run(iterations)
                seconds.append(worker.run(iterations))
        return [
            {"work": row.name, "what": row.what, "who": side.who, "iterations": iterations, "at_once": row.at_once}
            | {"peak_memory_bytes": worker.memory()}
            | summarise(seconds, times[0])
            | shares(side.count, iterations if row.converge else 1, seconds, ceilings)
            | found
            for (side, worker, iterations, found), seconds in zip(workers, times, strict=True)
        ]


def _converge(worker: Worker, path: Path) -> tuple[int, dict[str, Any], np.ndarray]:
    """Iterations until the image is near the solver's own solution, the distances, and that solution."""
    worker.run(LIMIT, path)
    solution = np.load(path)
    distances: dict[int, float] = {}

    def distance(iterations: int) -> float:
        worker.run(iterations, path)
        distances[iterations] = nrmse(np.load(path), solution)
        return distances[iterations]

    iterations = smallest(distance)
    found = {"nrmse_to_own_solution": distances.get(iterations, 0.0), "distances": dict(sorted(distances.items()))}
    return iterations, found, solution


def summarise(seconds: list[float], ours: list[float]) -> dict[str, float]:
    """Return median, smallest and largest time [s], and the median over turns of the ratio to our time."""
    return {
        "median_s": statistics.median(seconds),
        "smallest_s": min(seconds),
        "largest_s": max(seconds),
        "times_ours": statistics.median(theirs / mine for theirs, mine in zip(seconds, ours, strict=True)),
    }


def shares(count: Counts | None, times: int, seconds: list[float], ceilings: Ceilings) -> dict[str, float]:
    """Compare a measured time with the limits of the machine.

    Args:
        count: operations and bytes of one part, or None if they were not counted; the result is then empty.
        times: number of parts in a run.
        seconds: measured times [s].
        ceilings: limits of the machine.

    Returns:
        The counts, and the time for copying as many bytes, and for as many operations, each over the measured time [-].
    """
    if count is None:
        return {}
    count = count.times(times)
    median = statistics.median(seconds)
    return {
        "flops": count.flops,
        "bytes": count.bytes,
        "share_of_copy": count.bytes / ceilings.bandwidth / median,
        "share_of_product": count.flops / ceilings.product / median,
    }
