"""SSIM that attacks of several sizes take from a region, relative to clean data (Morshuis et al. 2022, Fig. 1a).

The scale is relative, because a method with a higher SSIM has more to lose.  The slope is that of the line through the
origin, fitted to the relative loss of one image against epsilon by least squares.
"""

from __future__ import annotations

import itertools
import statistics

from bench.findings.paired import Run
from bench.plan.intervals import SURE, of_mean, told
from bench.record.record import Record

# Slopes are told for this epsilon [-].
_UNIT = 0.01


def sentences(records: list[Record], runs: list[Run], eps: list[float]) -> list[str]:
    """Say how much of its SSIM in the region each method loses, and whether slopes differ.

    Args:
        records: the records of the runs; all score one region and aim at it, or there is no sentence.
        runs: the methods of the records.
        eps: the epsilons that all share.

    Returns:
        A sentence for each method, and for each with the next.
    """
    regions = [one.run.config.get("region") for one in records]
    aims = {one.run.config.get("aim") for one in records}
    sizes = [value for value in eps if value > 0]
    if regions[0] is None or any(one != regions[0] for one in regions) or aims != {"region"}:
        return []
    if len(runs) < 2 or not sizes:
        return []
    cases = sorted(set.intersection(*(run.cases for run in runs)))
    cases = [case for case in cases if all(run.rows[case, sizes[0], "ssim"]["clean"] > 0 for run in runs)]
    if not cases:
        return []
    slopes = {run.label: [_slope(run, case, sizes) for case in cases] for run in runs}
    found = []
    for run in runs:
        clean = statistics.fmean(run.rows[case, sizes[0], "ssim"]["clean"] for case in cases)
        losses = ", ".join(
            f"{statistics.fmean(_loss(run, case, value) for case in cases):.0%} at {value:g}" for value in sizes
        )
        found.append(
            f"{run.label}: of its SSIM in the region on clean data, {clean:.3f}, attacks take {losses}; that is "
            f"{statistics.fmean(slopes[run.label]):.1f} % for each {_UNIT:g} of epsilon."
        )
    for one, other in itertools.pairwise(runs):
        more = [first - second for first, second in zip(slopes[one.label], slopes[other.label], strict=True)]
        mean, interval = statistics.fmean(more), of_mean(more, [one.volumes[case] for case in cases])
        verdict = "cannot tell"
        if interval is not None and interval.kind == SURE:
            verdict = "they differ" if interval.excludes(0) else "equal slopes are not excluded"
        found.append(
            f"Relative slopes of {one.label} minus {other.label}: {told(mean, interval, '{:+.1f}')} % for each "
            f"{_UNIT:g}: {verdict} (published: U-Net and VarNet have equal slopes, Morshuis et al. 2022, Fig. 1a)."
        )
    return found


def _loss(run: Run, case: str, eps: float) -> float:
    """SSIM lost to the method's own attack, relative to that of the clean data [-]."""
    scores = run.rows[case, eps, "ssim"]
    return (scores["clean"] - scores["attacked"]) / scores["clean"]


def _slope(run: Run, case: str, eps: list[float]) -> float:
    """Relative loss of an image [%] for each `_UNIT` of epsilon."""
    ascent = sum(value * _loss(run, case, value) for value in eps) / sum(value**2 for value in eps)
    return 100 * _UNIT * ascent
