"""Slices in batches: prepared ahead in a thread, those of one shape together, and half as many if memory runs out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import tee
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from bench.evaluate.sending import Batch
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, OutOfMemoryError
from bench.run.first import Ready
from bench.slices.prepare import Prepared, prepare
from bench.slices.sources import Source
from data_prep.machine import is_of_memory
from data_prep.prefetch import prefetch

_Result = TypeVar("_Result")


def batches(
    source: Source,
    config: RunConfig,
    size: int,
    fail: Callable[[str, str], None],
    ready: Ready,
    claim: Callable[[int], bool] = lambda position: True,
) -> Iterator[list[Prepared]]:
    """Yield prepared slices in groups of equal shape and calibration.

    At most one unfinished group of each calibration is held, all of one shape.

    Args:
        source: the slices.
        config: settings of the run.
        size: of a full group.
        fail: hears the name of each slice that cannot be used, and why.
        ready: slices that need not be prepared any more, by position; they are taken out of it, and come first.
        claim: whether a slice is to be prepared; it is asked when the slice's turn comes.
    """
    waiting: dict[Any, list[Prepared]] = {}
    known = dict(zip(source.positions, zip(source.names, source.shapes, strict=True), strict=True))
    shape = None
    for position, found in prefetch(_prepared(source, config, ready, claim)):
        name, this_shape = known[position]
        if this_shape != shape:
            yield from waiting.values()
            waiting, shape = {}, this_shape
        if isinstance(found, str):
            fail(name, found)
            continue
        group = waiting.setdefault(_kind(found), [])
        group.append(found)
        if len(group) == size:
            yield waiting.pop(_kind(found))
    yield from waiting.values()


def _prepared(
    source: Source, config: RunConfig, ready: Ready, claim: Callable[[int], bool]
) -> Iterator[tuple[int, Prepared | str]]:
    """The position of each claimed slice, and the slice or why it cannot be used."""
    to_prepare = [position for position in source.positions if position not in ready]
    for position in source.positions:
        if position in ready and claim(position):
            yield position, ready.pop(position)
    positions, to_read = tee(filter(claim, to_prepare))
    for position, case in zip(positions, source.read(to_read), strict=True):
        try:
            yield position, prepare(case, config)
        except InputFileError as error:
            yield position, str(error)


def _kind(prepared: Prepared) -> Any:
    return prepared.calibration, jax.tree.map(jnp.shape, prepared.data)


class _Group(NamedTuple):
    """Slices of one shape, and the first batch of them if that is on the devices already; the batch is taken out.

    size: number of slices of a whole batch when it was sent.
    """

    members: list[Prepared]
    size: int
    sent: list[Batch]


class Halving(Generic[_Result]):
    """Computes groups, which may come from several threads.

    send: (slices, size of a batch) -> the batch on the devices.  attack: batch -> its results.  batch: slices of a
    whole batch.  note: is called when the batch is halved.
    """

    def __init__(
        self,
        send: Callable[[list[Prepared], int], Batch],
        attack: Callable[[Batch], list[_Result]],
        batch: int,
        note: Callable[[str], None],
    ) -> None:
        self._send, self._attack, self._note, self._whole = send, attack, note, batch
        self._batch = batch
        self._lock = threading.Lock()

    def ahead(self, groups: Iterable[list[Prepared]]) -> Iterator[_Group]:
        """Send each group before its turn, while the group before it is computed."""
        for members in groups:
            size = self._batch
            try:
                sent = [self._send(members[:size], size)]
            except Exception as error:
                # In its turn it has the memory of the group before it.
                if not is_of_memory(error):
                    raise
                sent = []
            yield _Group(members, size, sent)
            del sent

    def __call__(self, group: _Group) -> tuple[list[Prepared], list[_Result]]:
        """The group and its results.  Raises OutOfMemoryError if half the batch is still too large."""
        try:
            return group.members, self._results(group, self._batch)
        except Exception as error:
            if not is_of_memory(error):
                raise
            if self._whole == 1:
                raise OutOfMemoryError("out of memory") from error
        # Outside of the handler, whose exception keeps the allocated memory.
        self._halve()
        try:
            return group.members, self._results(group, self._batch)
        except Exception as error:
            if not is_of_memory(error):
                raise
            raise OutOfMemoryError(f"out of memory, also with a batch of {self._batch}") from error

    def _results(self, group: _Group, size: int) -> list[_Result]:
        found: list[_Result] = []
        members, sent = group.members, group.sent
        # Sent before the batch was halved, it would be too large.
        if group.size != size:
            sent.clear()
        for first in range(0, len(members), size):
            of_batch = members[first : first + size]
            found += self._attack(sent.pop() if sent else self._send(of_batch, size))
        return found

    def _halve(self) -> None:
        with self._lock:
            if self._batch == self._whole:
                self._batch = (self._whole + 1) // 2
                self._note(f"out of memory with a batch of {self._whole}; went on with one of {self._batch}")
