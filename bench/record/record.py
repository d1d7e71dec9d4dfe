"""Record of a finished run, read with the caution that a file from a stranger deserves."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from bench.plan.errors import InputFileError
from bench.plan.intervals import Interval, of_mean
from bench.record.forms import shown
from bench.record.lines import check_whole, read_lines
from bench.record.record_forms import LINES
from bench.record.records import shown_epsilon
from bench.record.rows import Row, SearchRow, read_rows, search_of
from bench.record.run_record import RunRecord, read_run
from jaxcs.names import printable


class Record(NamedTuple):
    """A finished run.

    run: run.json.  rows: of images.jsonl, but for failed images.  searches: of searches.jsonl.
    """

    folder: Path
    run: RunRecord
    rows: list[Row]
    searches: list[SearchRow]

    def names(self, key: str) -> list[str]:
        """Return the cases, sources or victims: in order of first appearance, but methods as they were asked for."""
        asked = list(self.methods) if key in ("source", "victim") else []
        found = dict.fromkeys(getattr(row, key) for row in self.rows)
        return sorted(found, key=lambda name: asked.index(name) if name in asked else len(asked))

    @property
    def eps(self) -> list[float]:
        """All epsilons, ascending."""
        return sorted({row.eps for row in self.rows})

    @property
    def shown(self) -> float:
        """The epsilon that the page opens with."""
        above = [value for value in self.eps if value > 0] or self.eps
        return shown_epsilon(above)

    @property
    def several(self) -> bool:
        """Whether perturbations were also scored on methods that they were not made for."""
        return any(row.source != row.victim for row in self.rows)

    @property
    def methods(self) -> dict[str, Any]:
        """Each method's name and settings, by label."""
        name = self.run.config["method"]
        return self.run.methods or {name: {"method": name, "config": self.run.method_config or {}}}

    def select(self, **wanted: Any) -> list[Row]:
        """Return the rows with these values."""
        return [row for row in self.rows if all(getattr(row, key) == value for key, value in wanted.items())]


class Estimate(NamedTuple):
    """A mean over images and its interval, None if there is none."""

    mean: float
    interval: Interval | None


def estimate(rows: list[Row], value: Callable[[Row], float]) -> Estimate:
    """Compute the mean of `value` over the rows, one for each image."""
    values = [value(row) for row in rows]
    return Estimate(statistics.fmean(values), of_mean(values, [row.volume for row in rows]))


def zero_filled(rows: list[Row]) -> float | None:
    """Compute the mean of the linear starts; None in older records, which have none."""
    return mean_if_known([row.zero_filled for row in rows])


def mean_if_known(values: list[float | None]) -> float | None:
    """Compute the mean; None if one of the values is not known, or there are none."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known and len(known) == len(values) else None


def read(folder: Path) -> Record:
    """Read the record of a finished run.  Raises InputFileError if there is none, or it is not whole."""
    run = read_run(folder)
    if not run.done:
        raise InputFileError(
            f"{folder}: the run has not finished ({printable(run.status)}); bench.attack --resume goes on with it"
        )
    lines = {name: read_lines(folder / name, form) for name, form in LINES.items()}
    images, searches = lines.values()
    if not (folder / "images.jsonl").exists():
        raise InputFileError(f"{folder / 'images.jsonl'}: is missing; name what bench.attack made")
    check_whole(folder, lines)
    rows = read_rows(line for some in images.rows.values() for line in some)
    if not rows:
        raise InputFileError(f"{folder}: every image of the run failed, so that there is nothing to report")
    missing = run.sampling.keys() - run.failed.keys() - images.rows.keys()
    if missing:
        raise InputFileError(
            f"{folder / 'images.jsonl'}: lacks {shown(min(missing))}, which is in run.json; run bench.attack again"
        )
    return Record(folder, run, rows, [search_of(line) for some in searches.rows.values() for line in some])
