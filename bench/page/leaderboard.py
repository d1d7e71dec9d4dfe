"""The page of a leaderboard: a ranking for each pair of data and protocol."""

from __future__ import annotations

from typing import Any

from bench.page import words
from bench.page.cells import Cell, Table, cells, interval, score
from bench.page.document import document
from bench.plan import linear_start
from bench.plan.config import fingerprint_of
from bench.plan.intervals import meaning
from bench.plan.scores import words_of
from bench.record.entries import Entry, harm, ranking_metric
from bench.record.record import Estimate
from bench.record.summary import Summary


def leaderboard(entries: list[Entry]) -> bytes:
    """Make the page of a board."""
    rankings: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        rankings.setdefault((fingerprint_of(entry.data), fingerprint_of(entry.protocol)), []).append(entry)
    shown = [_ranking(sorted(group, key=harm)) for group in rankings.values()]
    return document("leaderboard.html", "Leaderboard", {"rankings": shown})


def _ranking(entries: list[Entry]) -> dict[str, Any]:
    """One ranking, the least harmed method first."""
    first = entries[0]
    protocol, metric = first.protocol, ranking_metric(first.protocol)
    attacked = [f"attacked {value:g}" for value in first.eps]
    scores = [linear_start.EITHER, "clean", f"noise {first.eps[-1]:g}", *attacked]
    head = ["method", "attack", *scores, "images", "volumes"]
    rows = [
        [
            Cell(_numbered(index, entry)),
            Cell(entry.attack["name"], kind="name"),
            *_scores(entry, metric),
            Cell(", ".join(entry.flags) or "none", kind="name"),
        ]
        for index, entry in enumerate(entries)
    ]
    volumes = {entry.score(entry.eps[-1], metric).volumes for entry in entries}
    return {
        "data": first.described,
        "table": Table([*head, "flags"], rows, words_of(metric), kinds={attacked[-1]: "attacked"}),
        "about": meaning(volumes),
        "protocol": {name: words.plain(value) for name, value in protocol.items()},
        "entries": {_numbered(index, entry): _about(entry) for index, entry in enumerate(entries)},
    }


def _numbered(index: int, entry: Entry) -> str:
    return f"{index + 1}. {entry.label}"


def _scores(entry: Entry, metric: str) -> list[Cell]:
    """Cells of the scores, of the number of images and of the number of volumes."""
    last = entry.score(entry.eps[-1], metric)
    plain = [score(metric, value) for value in (last.zero_filled, last.clean, last.noise)]
    attacked = [_attacked(entry.score(value, metric)) for value in entry.eps]
    return [*plain, *attacked, *cells(str(last.n), str(last.volumes))]


def _attacked(row: Summary) -> Cell:
    return interval(row.metric, Estimate(row.attacked, row.sure), kind="attacked")


def _about(entry: Entry) -> str:
    """The settings of an entry and its origin."""
    weights = entry.method["weights"]
    parts = [
        f"settings: {words.plain(entry.method['config'])}",
        f"weights: {'none' if weights is None else f'SHA-256 {weights}'}",
        f"attack: {entry.attack['name']} ({words.plain(entry.attack['config'])})",
        f"{words.count(entry.failed, 'image')} failed",
        f"not checked: {'; '.join(entry.not_checked) or 'nothing'}",
        f"jaxcs {entry.versions.get('jaxcs', '?')}, started {entry.started}",
        entry.name,
    ]
    return ". ".join(parts)
