"""Where memory runs out, half as many slices at once, for once."""

from __future__ import annotations

import threading
from collections.abc import Callable

from bench.evaluate.outcome import Result
from bench.plan.errors import OutOfMemoryError
from bench.slices.prepare import Prepared
from data_prep.machine import is_of_memory


class Halving:
    """Computes groups, which may come from several threads.

    attack: (batch, at most so many slices) -> their results.  note: hears of it when the batch is halved.
    """

    def __init__(
        self, attack: Callable[[int, list[Prepared]], list[Result]], batch: int, note: Callable[[str], None]
    ) -> None:
        self._attack, self._note, self._whole = attack, note, batch
        self._batch = batch
        self._lock = threading.Lock()

    def __call__(self, group: list[Prepared]) -> tuple[list[Prepared], list[Result]]:
        """The group and its results.  Raises OutOfMemoryError where half the batch is still too large."""
        try:
            return group, self._pieces(group, self._batch)
        except Exception as error:
            if not is_of_memory(error):
                raise
            if self._whole == 1:
                raise OutOfMemoryError("out of memory") from error
        # Outside of the handler, whose exception holds on to what was allocated.
        self._halve()
        try:
            return group, self._pieces(group, self._batch)
        except Exception as error:
            if not is_of_memory(error):
                raise
            raise OutOfMemoryError(f"out of memory, also with a batch of {self._batch}") from error

    def _pieces(self, group: list[Prepared], batch: int) -> list[Result]:
        return [
            result
            for first in range(0, len(group), batch)
            for result in self._attack(batch, group[first : first + batch])
        ]

    def _halve(self) -> None:
        with self._lock:
            if self._batch == self._whole:
                self._batch = (self._whole + 1) // 2
                self._note(f"out of memory with a batch of {self._whole}; went on with one of {self._batch}")
