"""The tables of one run."""

from __future__ import annotations

from typing import NamedTuple

from bench.page import words
from bench.plan.intervals import Interval, beside, name_of
from bench.record.record import Estimate, Record, estimate
from bench.record.summary import summarise

_DIGITS = {"psnr": 2, "ssim": 3, "haarpsi": 3, "nmse": 4}
_UNITS = {
    "psnr": "PSNR [dB]",
    "ssim": "SSIM",
    "haarpsi": "HaarPSI",
    "nmse": "NMSE",
    "row_error": "error by rows",
    "max_error": "largest error",
}


# A table with more rows is folded away at first.
_LONG = 36


class Cell(NamedTuple):
    """A cell of a table.

    Attributes:
        text: its text.
        half: an interval beside the text.
        kind: its class in the style sheet.
        share: strength of its colour [%], None for no colour.
        colour: class of a coloured square before the text.
        mark: words below the text.
    """

    text: str
    half: str = ""
    kind: str = ""
    share: str | None = None
    colour: str = ""
    mark: str = ""


class Table(NamedTuple):
    """A table; the first cell of each row is its heading.

    Attributes:
        head: headings of the columns.
        rows: cells of each row.
        caption: caption of the table.
        kind: "text" if the cells are words.
        folded: whether the table is folded away at first.
    """

    head: list[str]
    rows: list[list[Cell]]
    caption: str
    kind: str = ""
    folded: bool = False


def cells(*texts: str) -> list[Cell]:
    """Make plain cells of texts."""
    return [Cell(text) for text in texts]


def interval(value: Estimate, digits: int, *, signed: bool = False) -> Cell:
    """Make the cell of a mean with its interval.

    Args:
        value: the mean.
        digits: number of decimals.
        signed: whether a positive mean has a sign.
    """
    # z: no minus before a number that rounds to zero.
    style = f"{{:{'+' if signed else ''}z.{digits}f}}"
    mean = style.format(value.mean)
    if value.interval is None:
        return Cell(mean)
    return Cell(mean, beside(value.mean, value.interval, style, brief=True).replace(" ", "\xa0"))


def numbers(record: Record) -> Table:
    """Make the table of every metric at every epsilon."""
    one = len({(row.source, row.victim) for row in record.rows}) == 1
    summary = summarise(record.rows)
    kinds = {row.interval for row in summary if row.interval is not None}
    heads = [words.control_name(record), "attacked", name_of(kinds) or "interval", "images"]
    head = ["metric", "epsilon", *([] if one else ["made for", "scored on"]), "zero-filled", "clean", *heads]
    known = list(dict.fromkeys([*_UNITS, *record.names("metric")]))
    rows = []
    for row in sorted(summary, key=lambda row: (known.index(row.metric), row.eps)):
        digits = _DIGITS.get(row.metric, 3)
        style = f"{{:.{digits}f}}"
        least, clean, noise, attacked = (
            "–" if value is None else style.format(value)
            for value in (row.zero_filled, row.clean, row.noise, row.attacked)
        )
        sure = None
        if row.interval is not None and row.low is not None and row.high is not None:
            sure = Interval(row.low, row.high, row.interval, row.volumes)
        rows.append(
            [
                *cells(_UNITS.get(row.metric, row.metric), f"{row.eps:g}"),
                *([] if one else [Cell(name, kind="name") for name in (row.source, row.victim)]),
                *cells(least, clean),
                Cell(noise, kind="noise"),
                Cell(attacked, kind="attacked"),
                *cells("–" if sure is None else beside(row.attacked, sure, style, brief=True), str(row.n)),
            ]
        )
    return Table(head, rows, "Means over images", folded=len(rows) > _LONG)


def matrix(record: Record) -> Table:
    """Make the table of PSNR losses at the epsilon that the page shows.

    Rows are the methods that perturbations were made for; columns are the methods that were scored under them.
    """
    rows = record.select(metric="psnr", eps=record.shown)
    sources, victims = record.names("source"), record.names("victim")
    lost = {
        (source, victim): estimate(chosen, lambda row: row.clean - row.attacked)
        for source in sources
        for victim in victims
        if (chosen := [row for row in rows if (row.source, row.victim) == (source, victim)])
    }
    noise = {
        victim: estimate([row for row in rows if row.victim == victim], lambda row: row.clean - row.noise)
        for victim in victims
    }
    worst = max([*(value.mean for value in lost.values()), 1e-9])

    def cell(value: Estimate | None, own: bool) -> Cell:
        if value is None:
            return Cell("–")
        share = 100 * min(max(value.mean / worst, 0), 1)
        kind = "loss diagonal" if own else "loss"
        return interval(value, 1)._replace(kind=kind, share=f"{share:.0f}", mark="own attack" * own)

    body = [
        [Cell(f"made for {source}"), *(cell(lost.get((source, victim)), source == victim) for victim in victims)]
        for source in sources
    ]
    body.append([Cell(words.control(record)), *(cell(noise[victim], False) for victim in victims)])
    head = ["", *(f"scored on {victim}" for victim in victims)]
    sure = words.interval_name(record)
    caption = f"PSNR lost [dB] at epsilon {record.shown:g}, mean over images{f' with {sure}' * bool(sure)}"
    return Table(head, body, caption)
