"""Tables of a page: their cells, and the same numbers as comma-separated values."""

from __future__ import annotations

import base64
import csv
import io
import re
from typing import NamedTuple

from bench.plan.intervals import Interval, beside
from bench.plan.scores import rounded, style_of
from bench.record.record import Estimate

# A spreadsheet takes a text that begins like this for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_UNKNOWN = "–"


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: its text.
        half: an interval beside the text.
        kind: its class in the style sheet.
        share: strength of its colour [%], None for no colour.
        colour: class of a coloured square before the text.
        mark: words below the text.
        value: the number that the text rounds, None if there is none.
        interval: interval of the number, or None.
    """

    text: str
    half: str = ""
    kind: str = ""
    share: str | None = None
    colour: str = ""
    mark: str = ""
    value: float | None = None
    interval: Interval | None = None


class Table(NamedTuple):
    """A table; the first cell of each row is its heading.

    Attributes:
        head: headings of the columns.
        rows: cells of each row.
        caption: caption of the table.
        kind: "text" if the cells are words.
        folded: whether the table is folded away at first.
        kinds: classes of the columns' headings in the style sheet, by heading.
    """

    head: list[str]
    rows: list[list[Cell]]
    caption: str
    kind: str = ""
    folded: bool = False
    kinds: dict[str, str] = {}  # noqa: RUF012, never changed

    @property
    def file(self) -> str:
        """Name of the file that a browser saves the table in."""
        return re.sub(r"[^a-z0-9.]+", "-", self.caption.lower()).strip("-.")[:60] + ".csv"

    @property
    def link(self) -> str:
        """Address with the table as comma-separated values in it, which needs neither network nor scripts."""
        return f"data:text/csv;charset=utf-8;base64,{base64.b64encode(self.values()).decode()}"

    def values(self) -> bytes:
        """Return the table as comma-separated values with all digits; ends of intervals have columns of their own."""
        ends = [any(row[index].interval is not None for row in self.rows) for index in range(len(self.head))]
        head = [
            name
            for heading, wide in zip(self.head, ends, strict=True)
            for name in (heading, *(f"{heading} {end}" for end in ("low", "high") * wide))
        ]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(_plain, head))
        for row in self.rows:
            writer.writerow(
                value
                for cell, wide in zip(row, ends, strict=True)
                for value in (_content(cell), *(_ends(cell.interval) if wide else ()))
            )
        return text.getvalue().encode("utf-8", "replace")


def cells(*texts: str) -> list[Cell]:
    """Make plain cells of texts."""
    return [Cell(text) for text in texts]


def score(metric: str, value: float | None, kind: str = "") -> Cell:
    """Make the cell of a score, or of a score that is not known.

    Args:
        metric: its metric.
        value: the score, or None.
        kind: class of the cell in the style sheet.
    """
    return Cell(_UNKNOWN if value is None else rounded(metric, value), kind=kind, value=value)


def interval(metric: str, value: Estimate, *, signed: bool = False, kind: str = "") -> Cell:
    """Make the cell of a mean with its interval.

    Args:
        metric: the metric of the mean.
        value: the mean.
        signed: whether a positive mean has a sign.
        kind: class of the cell in the style sheet.
    """
    # z: no minus before a number that rounds to zero.
    style = style_of(metric).replace("{:", f"{{:{'+' if signed else ''}z")
    half = "" if value.interval is None else beside(value.mean, value.interval, style, brief=True).replace(" ", "\xa0")
    return Cell(style.format(value.mean), half, kind, value=value.mean, interval=value.interval)


def _content(cell: Cell) -> float | str:
    if cell.value is not None:
        return cell.value
    return "" if cell.text == _UNKNOWN else _plain(cell.text)


def _ends(interval: Interval | None) -> tuple[float, float] | tuple[str, str]:
    return ("", "") if interval is None else (interval.low, interval.high)


def _plain(text: str) -> str:
    """A text that no spreadsheet computes."""
    return f"'{text}" if text.startswith(_FORMULA) else text
