"""Work on several slices at once."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import jax

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def workers() -> int:
    """Return how many groups at once.  XLA spreads one slice badly over CPU cores: two at once take half the time."""
    return os.cpu_count() or 1 if jax.default_backend() == "cpu" else 1


def of_each(run: Callable[[_In], _Out], inputs: Iterable[_In], advance: Callable[[], None]) -> list[_Out]:
    """Return run(x) for each x, in order; side by side, and `advance` is called after each."""
    found = []
    for one in side_by_side(run, iter(inputs)):
        found.append(one)
        advance()
    return found


def side_by_side(run: Callable[[_In], _Out], inputs: Iterator[_In]) -> Iterator[_Out]:
    """Yield run(x) for each x, in order, at most `workers()` at a time and no more than that held in memory.

    All run in other threads: the caller waits at a place where a signal reaches it.
    """
    executor = ThreadPoolExecutor(workers())
    try:
        waiting: deque[Future[_Out]] = deque()
        for index, item in enumerate(inputs):
            waiting.append(executor.submit(run, item))
            # The first of several threads alone, so that everything is compiled once.  One thread compiles once in
            # any case, and has the next item at hand.
            if len(waiting) > (workers() if index > 0 or workers() == 1 else 0):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # A process that is told to stop does not wait for running computations; after the last item there are none.
        executor.shutdown(wait=False, cancel_futures=True)
