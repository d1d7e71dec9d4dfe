"""Error bars of the rows of a summary.csv."""

from __future__ import annotations


def reach_of(row: dict[str, str], mean: str) -> tuple[float, float]:
    """How far the bar of the column `mean` reaches below and above it; not at all where nothing is known."""
    value = float(row[mean])
    if not row.get("low") or not row.get("high"):
        return 0.0, 0.0
    return max(value - float(row["low"]), 0.0), max(float(row["high"]) - value, 0.0)


def kind_of(row: dict[str, str]) -> str:
    """The name of the bar's interval; "" if the row has none."""
    return row.get("interval") or ""
