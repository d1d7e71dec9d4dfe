"""The tables of one run."""

from __future__ import annotations

from html import escape

from bench.page import words
from bench.plan.intervals import Interval, beside, name_of
from bench.record.record import Estimate, Record, estimate
from bench.record.summary import summarise

_DIGITS = {"psnr": 2, "ssim": 3, "nmse": 4}
_UNITS = {
    "psnr": "PSNR [dB]",
    "ssim": "SSIM",
    "nmse": "NMSE",
    "row_error": "error by rows",
    "max_error": "largest error",
}


# A longer table is folded away at first.
_LONG = 36


def table(head: list[str], rows: list[list[str]], caption: str, kind: str = "") -> str:
    """Cells are HTML already; the first of each row is its heading.  Scrolls sideways where it is too wide.

    kind: "text" where the cells are words.
    """
    heads = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{cells[0]}</th>'
        + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in cells[1:])
        + "</tr>"
        for cells in rows
    )
    # With tabindex, so that the keyboard can scroll it.
    return (
        f'<p class="caption">{escape(caption)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def interval(value: Estimate, digits: int, *, signed: bool = False) -> str:
    """A mean with its interval."""
    # z: no minus before what rounds to zero.
    style = f"{{:{'+' if signed else ''}z.{digits}f}}"
    mean = style.format(value.mean)
    if value.interval is None:
        return mean
    sure = beside(value.mean, value.interval, style, brief=True).replace(" ", "&nbsp;")
    return f'{mean}&nbsp;<span class="half">{sure}</span>'


def numbers(record: Record) -> str:
    """Every metric at every epsilon."""
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
            "&ndash;" if value is None else style.format(value)
            for value in (row.zero_filled, row.clean, row.noise, row.attacked)
        )
        sure = None
        if row.interval is not None and row.low is not None and row.high is not None:
            sure = Interval(row.low, row.high, row.interval, row.volumes)
        rows.append(
            [
                escape(_UNITS.get(row.metric, row.metric)),
                f"{row.eps:g}",
                *([] if one else [f'<td class="name">{escape(name)}</td>' for name in (row.source, row.victim)]),
                least,
                clean,
                f'<td class="noise">{noise}</td>',
                f'<td class="attacked">{attacked}</td>',
                "&ndash;" if sure is None else beside(row.attacked, sure, style, brief=True),
                str(row.n),
            ]
        )
    whole = table(head, rows, "Means over images")
    return whole if len(rows) <= _LONG else f"<details><summary>All {len(rows)} rows</summary>{whole}</details>"


def matrix(record: Record) -> str:
    """PSNR lost by each method (column) to the perturbations made for each (row), at the epsilon shown."""
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

    def cell(value: Estimate | None, own: bool) -> str:
        if value is None:
            return "<td>&ndash;</td>"
        share = min(max(value.mean / worst, 0), 1)
        mark = '<span class="own">own attack</span>' if own else ""
        kind = " diagonal" if own else ""
        return f'<td class="loss{kind}" style="--share:{100 * share:.0f}%">{interval(value, 1)}{mark}</td>'

    body = [
        [f"made for {escape(source)}", *(cell(lost.get((source, victim)), source == victim) for victim in victims)]
        for source in sources
    ]
    body.append([escape(words.control(record)), *(cell(noise[victim], False) for victim in victims)])
    head = ["", *(f"scored on {escape(victim)}" for victim in victims)]
    sure = words.interval_name(record)
    return table(
        head, body, f"PSNR lost [dB] at epsilon {record.shown:g}, mean over images{f' with {sure}' * bool(sure)}"
    )
