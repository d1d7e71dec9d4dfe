"""The tables of one run."""

from __future__ import annotations

from bench.page import words
from bench.page.cells import Cell, Table, cells, interval, score
from bench.plan import linear_start
from bench.plan.intervals import beside, name_of
from bench.plan.scores import METRICS, style_of, words_of
from bench.record.record import Estimate, Record, estimate
from bench.record.summary import summarise

# A table with more rows is folded away at first.
_LONG = 36


def numbers(record: Record) -> Table:
    """Make the table of every metric at every epsilon."""
    one = len({(row.source, row.victim) for row in record.rows}) == 1
    summary = summarise(record.rows)
    kinds = {row.interval for row in summary if row.interval is not None}
    start = linear_start.of_config(record.run.config).head
    heads = [words.control_name(record), "attacked", name_of(kinds) or "interval", "images"]
    head = ["metric", "epsilon", *([] if one else ["made for", "scored on"]), start, "clean", *heads]
    known = list(dict.fromkeys([*METRICS, *record.names("metric")]))
    rows = []
    for row in sorted(summary, key=lambda row: (known.index(row.metric), row.eps)):
        sure = row.sure
        told = "–" if sure is None else beside(row.attacked, sure, style_of(row.metric), brief=True)
        rows.append(
            [
                *cells(words_of(row.metric), f"{row.eps:g}"),
                *([] if one else [Cell(name, kind="name") for name in (row.source, row.victim)]),
                score(row.metric, row.zero_filled),
                score(row.metric, row.clean),
                score(row.metric, row.noise, "noise"),
                score(row.metric, row.attacked, "attacked")._replace(interval=sure),
                *cells(told, str(row.n)),
            ]
        )
    return Table(head, rows, "Means over images", folded=len(rows) > _LONG, kinds={"attacked": "attacked"})


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
            return score("psnr", None)
        share = 100 * min(max(value.mean / worst, 0), 1)
        kind = "loss diagonal" if own else "loss"
        return interval("psnr", value, kind=kind)._replace(share=f"{share:.0f}", mark="own attack" * own)

    body = [
        [Cell(f"made for {source}"), *(cell(lost.get((source, victim)), source == victim) for victim in victims)]
        for source in sources
    ]
    body.append([Cell(words.control(record)), *(cell(noise[victim], False) for victim in victims)])
    head = ["", *(f"scored on {victim}" for victim in victims)]
    sure = words.interval_name(record)
    caption = f"PSNR lost [dB] at epsilon {record.shown:g}, mean over images{f' with {sure}' * bool(sure)}"
    return Table(head, body, caption)
