"""The final table, for people."""

from __future__ import annotations

from bench.plan.intervals import FEWEST, RANGE
from bench.plan.scores import style_of
from bench.record.summary import Summary
from jaxcs.evidence import CLEAN_FLAGS, FLAGS

# Metrics that are printed only if the attack aimed at them; the page has them all.
_ASIDE = ("haarpsi", "max_error", "row_error")


def render(summary: list[Summary], flags: dict[str, int], below_card: dict[str, str], loss: str, start: str) -> str:
    """Format aligned text: a line for each victim, attack, epsilon and metric, and for each source if sources differ.

    Lines below it say what a range is, if there is one, and which flags speak against the clean images.
    flags: how many results carry each.  below_card: by method, a sentence of `card_check`.
    loss: the error that the attack drove up.  start: head of the column of the linear start.
    """
    summary = [row for row in summary if row.metric not in _ASIDE or row.metric == loss]
    ranges = {row.interval for row in summary} == {RANGE}
    heads = [start, "clean", "noise", "attacked", "range" if ranges else "95 % CI", "images"]
    across = any(row.source != row.victim for row in summary)
    header = ["method", "attack", "eps", "metric", *heads]
    lines = [header]
    for row in summary:
        style = style_of(row.metric)
        values = [
            "-" if value is None else style.format(value)
            for value in (row.zero_filled, row.clean, row.noise, row.attacked)
        ]
        first = [row.victim, _attack(row, across), f"{row.eps:g}", row.metric]
        lines.append([*first, *values, _interval(row, style), str(row.n)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = "\n".join(
        "  ".join(
            cell.ljust(w) if i in (0, 1, 3) else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    if any(row.interval == RANGE for row in summary):
        text += f"\nrange: smallest and largest mean of a volume; fewer than {FEWEST} volumes have no 95 % interval"
    for name in CLEAN_FLAGS:
        if name in flags:
            text += f"\nflag: {name}, in {flags[name]} result{'s' * (flags[name] != 1)}: {FLAGS[name]}"
    return "\n".join([text, *(f"flag: {sentence}" for sentence in below_card.values())])


def _interval(row: Summary, style: str) -> str:
    if row.interval is None:
        return "-"
    if row.interval == RANGE:
        return f"{style.format(row.low)} to {style.format(row.high)}"
    return "±" + style.format(row.ci95)


def _attack(row: Summary, across: bool) -> str:
    return f"{row.attack} on {row.source}" if across else row.attack
