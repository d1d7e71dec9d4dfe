"""Whether the means of a run are those of its images."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping
from typing import Any

from bench.record.reading import content_of, understanding
from bench.record.record import Record
from bench.record.summary import summarise

# Sums of equal numbers differ by less between machines [-].
_ROUNDING = 1e-9


def contradictions(record: Record) -> list[str]:
    """Return a sentence for each file of a run whose means are not those of images.jsonl.

    Raises:
        InputFileError: summary.csv cannot be read.
    """
    lines = [row.line() for row in summarise(record.rows)]
    path = record.folder / "summary.csv"
    with understanding(path):
        table = list(csv.DictReader(io.StringIO(content_of(path).decode("utf-8"))))
    stated = {"run.json": record.run.summary, "summary.csv": table}
    wrong = [name for name, found in stated.items() if not same_lines(lines, found)]
    return [f"the means of {name} are not those of images.jsonl" for name in wrong]


def same_lines(lines: list[dict[str, Any]], found: Iterable[Any]) -> bool:
    """Return whether each line has the values of its counterpart in `found`, which may be text."""
    others = list(found)
    return len(lines) == len(others) and all(
        isinstance(other, Mapping) and all(_equal(value, other.get(name)) for name, value in line.items())
        for line, other in zip(lines, others, strict=True)
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, int | float):
        try:
            return math.isclose(one, float(other), rel_tol=_ROUNDING, abs_tol=_ROUNDING)
        except (TypeError, ValueError, OverflowError):
            return False
    return (one or "") == (other or "")
