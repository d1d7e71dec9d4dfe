"""The cases that a method scores worst, from the records of its runs: the choice of bench.hardest."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from bench.plan.errors import InputFileError, UsageError
from bench.record.forms import shown
from bench.record.reading import understanding
from bench.record.record import Record
from bench.slices.case_list import phantom_numbers
from bench.slices.shifting import shifted_reader
from bench.slices.source import refused
from data_prep import phantom
from data_prep.cases import Case
from data_prep.files import list_cases
from jaxcs.catalogue import PHANTOMS
from jaxcs.fourier import centre_slice
from jaxcs.names import printable

# Fields on which a clean score depends, besides method and data.
SAMPLING = ("mask", "acceleration", "center_fraction", "region", "shift")
# Scores with a larger relative difference are not the same computation on two machines.
_SAME_SCORE = 1e-3


class Scored(NamedTuple):
    """A case and its clean score.

    Attributes:
        case: name of the case.
        volume: name of its volume.
        score: its clean score.
        read: reads the case; raises InputError.
    """

    case: str
    volume: str
    score: float
    read: Callable[[], Case]


def method_of(records: list[Record], method: str | None) -> str:
    """Return the label of the method whose scores count: the named method, or the only one.

    Raises:
        UsageError: a run lacks this method, or there are several methods and none is named.
    """
    labels = dict.fromkeys(label for record in records for label in record.names("victim"))
    if method is None and len(labels) > 1:
        raise UsageError(f"--method: the runs are of {', '.join(map(printable, labels))}; name one of them")
    for record in records:
        if method is not None and method not in record.names("victim"):
            there = ", ".join(map(printable, record.names("victim")))
            raise UsageError(f"--method {method}: {record.folder} is of {there}; name a method of every run")
    return method or next(iter(labels))


def scored(records: list[Record], label: str, metric: str, middle: int) -> list[Scored]:
    """Read the clean score of every case under one method, in order of the runs.

    Args:
        records: the runs.
        label: label of the method.
        metric: the metric.
        middle: number of middle slices to use of each volume, 0 for all.

    Raises:
        InputFileError: the runs do not belong together, or their data are gone.
    """
    same = _conditions(records[0], label)
    found: dict[str, Scored] = {}
    for record in records:
        for name, value in _conditions(record, label).items():
            if value != same[name]:
                raise InputFileError(f"{record.folder}: its {name} is not that of {records[0].folder}; name runs alike")
        readers = _readers(record)
        allowed = _middle(readers, middle) if middle else set(readers)
        for row in record.select(victim=label, metric=metric):
            case = row.case
            if case not in readers:
                raise InputFileError(f"{record.folder}: its data no longer hold {printable(case)}; put them back")
            one = Scored(case, row.volume, row.clean, readers[case].read)
            if not math.isclose(found.setdefault(case, one).score, one.score, rel_tol=_SAME_SCORE):
                raise InputFileError(
                    f"{record.folder}: {printable(case)} scores {one.score:.4g} here and {found[case].score:.4g} in "
                    "another run; name runs alike"
                )
            if case not in allowed:
                found.pop(case)
    if not found:
        within = f" among the {middle} middle slices of any volume" if middle else ""
        raise InputFileError(f"{records[0].folder}: holds no {metric} of {printable(label)}{within}; name other runs")
    return list(found.values())


def hardest(cases: list[Scored], count: int) -> list[Scored]:
    """Return the `count` cases with the lowest scores, lowest first; equal scores are in order of the names."""
    return sorted(cases, key=lambda one: (one.score, one.case))[:count]


class _Reader(NamedTuple):
    volume: str
    read: Callable[[], Case]


def _readers(record: Record) -> dict[str, _Reader]:
    """All cases of a run's data, including those beyond its limit, by name and in order."""
    with understanding(record.folder / "run.json"):
        config = record.run.config
        data, family = config["data"], str(config["phantom"])
        acquisitions = tuple(map(str, config.get("acquisition", ())))
        shift = tuple((str(name), float(size)) for name, size in (config.get("shift") or {}).items())
    if family not in PHANTOMS:
        raise InputFileError(f"{record.folder}: no phantom is called {shown(family)}; name runs of bench.attack")
    if "thickness" in dict(shift):
        raise InputFileError(
            f"{record.folder}: has --shift thickness, but files have no such slices; name runs without it"
        )
    if data is None:
        # Every case is a separate volume, so that only the cases of the run matter.
        numbers = phantom_numbers(family)
        return {
            case: _Reader(
                case.rsplit(":", 1)[0], shifted_reader(partial(phantom.case, family, "test", numbers[case]), shift)
            )
            for case in record.names("case")
            if case in numbers
        }
    with refused(f"{record.folder}: the data of this run cannot be read:"):
        found = list_cases(str(data), validation=True, acquisitions=acquisitions)
    return {info.name: _Reader(info.volume, shifted_reader(partial(found.read, info), shift)) for info in found.slices}


def _middle(readers: dict[str, _Reader], count: int) -> set[str]:
    """The cases in the `count` middle slices of their volumes."""
    volumes: dict[str, list[str]] = {}
    for case, reader in readers.items():
        volumes.setdefault(reader.volume, []).append(case)
    return {case for cases in volumes.values() for case in cases[centre_slice(len(cases), min(count, len(cases)))]}


def _conditions(record: Record, label: str) -> dict[str, Any]:
    """The conditions that must be equal if scores are to be compared."""
    with understanding(record.folder / "run.json"):
        config, described = record.run.config, record.methods[label]
        return {name: config.get(name) for name in SAMPLING} | {
            "method": {name: described.get(name) for name in ("method", "config", "weights")}
        }
