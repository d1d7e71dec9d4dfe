"""Means over the images of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from bench.plan.intervals import SURE, Interval, of_mean
from bench.record.rows import Row

_KEYS = ("source", "victim", "attack", "eps", "metric")
_STATES = ("zero_filled", "clean", "noise", "attacked")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The means of one metric over the images, for one source, victim, attack and epsilon.

    zero_filled: None in older records, which have none.  low, high: about the mean of the attacked values, and interval
    what they are: "95 %", or of fewer than 5 volumes "range" (`intervals.Interval`).  ci95: half of the 95 % interval,
    None if there is none.  volumes, n: of the images, and the images.
    """

    source: str
    victim: str
    attack: str
    eps: float
    metric: str
    zero_filled: float | None
    clean: float
    noise: float
    attacked: float
    ci95: float | None
    low: float | None
    high: float | None
    interval: str | None
    volumes: int
    n: int

    @property
    def sure(self) -> Interval | None:
        """The interval of the attacked mean."""
        if self.interval is None or self.low is None or self.high is None:
            return None
        return Interval(self.low, self.high, self.interval, self.volumes)

    def line(self) -> dict[str, Any]:
        """Return the row as run.json and summary.csv have it."""
        return asdict(self)


COLUMNS = tuple(field.name for field in fields(Summary))


def summarise(rows: Iterable[Row]) -> list[Summary]:
    """Summarise each (source, victim, attack, eps, metric), in order of first appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(getattr(row, key) for key in _KEYS), []).append(row)
    summary = []
    for key, members in groups.items():
        values = {name: [getattr(row, name) for row in members] for name in _STATES}
        means = {name: None if None in one else float(np.mean(one)) for name, one in values.items()}
        volumes = [row.volume for row in members]
        found = dict(zip(_KEYS, key, strict=True)) | means | interval_columns(values["attacked"], volumes)
        summary.append(Summary(**found, volumes=len(set(volumes)), n=len(members)))
    return summary


def as_csv(summary: Sequence[Summary]) -> bytes:
    """Return the content of summary.csv."""
    return csv_of(COLUMNS, (row.line() for row in summary))


def csv_of(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a table of comma-separated values."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def interval_columns(values: list[float], volumes: list[str]) -> dict[str, Any]:
    """Return the columns of a table about the interval of a mean; all None if there is no interval."""
    found = of_mean(values, volumes)
    if found is None:
        return dict.fromkeys(("ci95", "low", "high", "interval"))
    half = (found.high - found.low) / 2 if found.kind == SURE else None
    return {"ci95": half, "low": found.low, "high": found.high, "interval": found.kind}
