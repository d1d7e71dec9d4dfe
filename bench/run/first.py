"""Slices that are prepared before a run begins, and that the run need not prepare again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError, of_none
from bench.slices.prepare import Prepared, prepare
from bench.slices.sources import Source

# The slice at each position, or why it cannot be used.
Ready: TypeAlias = dict[int, Prepared | str]


def first_usable(source: Source, config: RunConfig) -> tuple[Prepared, Ready]:
    """Find the first usable slice of the whole run, and all slices that were prepared on the way.

    Raises UsageError or InputFileError if there is none, because of the flags or because of the data.
    """
    ready: Ready = {}
    return _first(source, config, range(source.total), ready), ready


def largest(source: Source, config: RunConfig, ready: Ready) -> Prepared:
    """Find a slice of the shape that needs the most memory, or the first usable slice if that one cannot be used.

    ready: the slices that `first_usable` prepared; the slice is added to it.
    """
    position = source.positions[max(range(len(source.shapes)), key=lambda index: math.prod(source.shapes[index]))]
    found = ready.get(position)
    if isinstance(found, Prepared):
        return found
    try:
        return _first(source, config, [position], ready)
    except (InputFileError, UsageError):
        return next(one for one in ready.values() if isinstance(one, Prepared))


def _first(source: Source, config: RunConfig, positions: Sequence[int], ready: Ready) -> Prepared:
    reasons: list[InputFileError] = []
    for position, case in zip(positions, source.read(positions), strict=False):
        try:
            ready[position] = found = prepare(case, config)
            return found
        except InputFileError as error:
            ready[position] = str(error)
            reasons.append(error)
    raise of_none(reasons)
