"""Error bars for the rows of a summary.csv."""

from __future__ import annotations

from collections.abc import Iterable

from bench.plan.intervals import name_of


def reach_of(row: dict[str, str], mean: str) -> tuple[float, float]:
    """Return how far the bar of the column `mean` extends below and above it; 0 if the row has no interval."""
    value = float(row[mean])
    if not row.get("low") or not row.get("high"):
        return 0.0, 0.0
    return max(value - float(row["low"]), 0.0), max(float(row["high"]) - value, 0.0)


def named(rows: Iterable[dict[str, str]]) -> str:
    """Return the name of the bars of rows; "" if no row has an interval."""
    return name_of({kind for row in rows if (kind := row.get("interval"))})
