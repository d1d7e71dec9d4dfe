"""The run folder: run.json, images.jsonl and summary.csv.

images.jsonl is appended and flushed image by image.  All else is replaced as a whole, so that a reader never sees half
of one, whenever the run was stopped.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from bench.plan.errors import OutputError
from bench.plan.intervals import SURE, of_mean
from data_prep.process import at_stop
from jaxcs.evidence import BELOW_ITS_CARD, WORSE_THAN_ZERO_FILLED
from jaxcs.evidence import FLAGS as FLAGS

SCHEMA_VERSION = 1
# The end of the name of a file that is not whole yet.
PART = ".part"
# Those that are about the clean image, whatever the attack.
CLEAN_FLAGS = (WORSE_THAN_ZERO_FILLED, BELOW_ITS_CARD)
# The epsilon nearest to this one is shown as pictures.
_SHOWN_EPSILON = 0.05
# Held by the thread that replaces a file: a signal has that of a run replaced in another one.
_REPLACING = threading.RLock()
KEYS = ("source", "victim", "attack", "eps", "metric")
_STATES = ("zero_filled", "clean", "noise", "attacked")
COLUMNS = (*KEYS, *_STATES, "ci95", "low", "high", "interval", "volumes", "n")


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, parent: Path, name: str, fingerprint: str) -> RunFolder:
        """Make a new one, named by date, method and configuration, and by a number if others of its name are there."""
        first = parent / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{name}-{fingerprint}"
        with writing(first):
            parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            path = first if number == 1 else first.with_name(f"{first.name}-{number}")
            with writing(path), suppress(FileExistsError):
                path.mkdir()
                break
        return cls(path)

    def append(self, rows: Iterable[dict[str, Any]], name: str = "images.jsonl") -> None:
        """Add lines to a file of JSON lines, on disk before this returns."""
        text = "".join(json.dumps(_finite(row)) + "\n" for row in rows)
        path = self.path / name
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write or replace a JSON file."""
        self.write(name, (json.dumps(_finite(value), indent=2) + "\n").encode())

    def write_summary(self, rows: list[dict[str, Any]]) -> None:
        """Write or replace summary.csv."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.write("summary.csv", text.getvalue().encode())

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file as a whole."""
        with self.replacing(name) as file:
            file.write(content)

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """A new file that takes the place of the one of this name, at once, when the block has ended well."""
        path = self.path / name
        temporary = path.with_name(path.name + PART)
        with writing(path), _REPLACING, at_stop(lambda: temporary.unlink(missing_ok=True)):
            try:
                # In a stranger's folder it may be a link to a file of ours, or a pipe.
                temporary.unlink(missing_ok=True)
                with temporary.open("xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                # What is left of it would fill a disk that is full already.
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

    def make(self, name: str) -> None:
        """Make a folder in it, unless it is there."""
        with writing(self.path / name):
            (self.path / name).mkdir(exist_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose another folder with --output") from error


def shown_epsilon(eps: Iterable[float]) -> float:
    """The epsilon that figures and pages show, of those of a run."""
    return min(eps, key=lambda value: abs(value - _SHOWN_EPSILON))


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over the images of each (source, victim, attack, eps, metric), in order of first appearance.

    Failed images have no rows.  zero_filled: None in older records, which have none.  low, high: about the mean of
    the attacked values, and interval what they are: "95 %", or of fewer than 5 volumes "range" (`intervals.Interval`).
    ci95: half of the 95 % interval, and None where there is none.
    """
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in KEYS), []).append(row)
    summary = []
    for key, members in groups.items():
        values = {name: [row[name] for row in members if row.get(name) is not None] for name in _STATES}
        means = {name: float(np.mean(one)) if len(one) == len(members) else None for name, one in values.items()}
        volumes = [row["volume"] for row in members]
        summary.append(
            dict(zip(KEYS, key, strict=True))
            | means
            | interval_columns([row["attacked"] for row in members], volumes)
            | {"volumes": len(set(volumes)), "n": len(members)}
        )
    return summary


def interval_columns(values: list[float], volumes: list[str]) -> dict[str, Any]:
    """The columns of a table that say how sure a mean is, None where that cannot be told."""
    found = of_mean(values, volumes)
    if found is None:
        return dict.fromkeys(("ci95", "low", "high", "interval"))
    half = (found.high - found.low) / 2 if found.kind == SURE else None
    return {"ci95": half, "low": found.low, "high": found.high, "interval": found.kind}


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: they become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
