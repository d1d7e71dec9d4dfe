"""Slices in batches: read and prepared ahead in a thread, those of one shape together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp

from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.slices.prepare import Prepared, prepare
from bench.slices.sources import Source
from data_prep.cases import InputError
from data_prep.prefetch import prefetch


def batches(source: Source, config: RunConfig, size: int, fail: Callable[[str, str], None]) -> Iterator[list[Prepared]]:
    """Prepared slices in groups of equal shape and calibration; `fail` hears of those that cannot be used.

    At most one unfinished group of each calibration is held, all of one shape.  Without the slices of groups that are
    done, the others come together as they would have.
    """
    waiting: dict[Any, list[Prepared]] = {}
    shape = None
    for name, this_shape, found in zip(source.names, source.shapes, prefetch(_prepared(source, config)), strict=True):
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


def _prepared(source: Source, config: RunConfig) -> Iterator[Prepared | str]:
    """Each slice, or why it cannot be used."""
    for case in source.cases():
        if isinstance(case, InputError):
            yield str(case)
            continue
        try:
            yield prepare(case, config)
        except InputFileError as error:
            yield str(error)


def _kind(prepared: Prepared) -> Any:
    return prepared.calibration, jax.tree.map(jnp.shape, prepared.data)
