"""Claims about diffusion samplers: what transferred perturbations do, and what their own gradient does beyond."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from bench.findings.judged import Judged, Part
from bench.findings.published import DIFFUSION_OWN, DIFFUSION_TRANSFER
from bench.plan.intervals import of_mean
from bench.record.rows import Row

_NAME = "diffusion"


def judged(rows: Sequence[Row]) -> list[Judged]:
    """Judge the claims about each diffusion sampler that was scored under perturbations made for other methods."""
    eps = max((row.eps for row in rows), default=0.0)
    rows = [row for row in rows if row.metric == "psnr" and row.eps == eps > 0 and _NAME in row.victim]
    transfer, own = [], []
    for victim in dict.fromkeys(row.victim for row in rows):
        by_source: dict[str, list[Row]] = {}
        for row in rows:
            if row.victim == victim:
                by_source.setdefault(row.source, []).append(row)
        others = [source for source in by_source if source != victim]
        if not others:
            continue
        means = {source: statistics.fmean(map(_lost, by_source[source])) for source in others}
        worst = max(others, key=means.__getitem__)
        transferred = by_source[worst]
        transfer.append(_part(f"{victim}, by {worst}", transferred, [row.noise - row.attacked for row in transferred]))
        beyond = {row.case: _lost(row) for row in transferred}
        shared = [row for row in by_source.get(victim, []) if row.case in beyond]
        if shared:
            own.append(_part(f"{victim}, by {worst}", shared, [_lost(row) - beyond[row.case] for row in shared]))
    cases = len({row.case for row in rows})
    found = [Judged(DIFFUSION_TRANSFER, transfer, cases), Judged(DIFFUSION_OWN, own, cases)]
    return [one for one in found if one.parts]


def _lost(row: Row) -> float:
    return row.clean - row.attacked


def _part(name: str, rows: Sequence[Row], values: Sequence[float]) -> Part:
    interval = of_mean(values, [row.volume for row in rows])
    return Part(name, statistics.fmean(values), interval, f"at epsilon {rows[0].eps:g}")
