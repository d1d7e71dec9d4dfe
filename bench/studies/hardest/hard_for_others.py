"""Comparison of methods on the hard images of one method, image by image (ICML 2021, Figure 6)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.findings.judged import CANNOT_TELL, NO, NOT_EXCLUDED, YES, Judged, Part, verdict
from bench.findings.published import BELOW, HARD_FOR_ALL
from bench.plan import ranks
from bench.plan.errors import InputFileError
from bench.plan.intervals import as_json, from_json, of_difference, told
from bench.record.reading import understanding
from bench.record.record import Record
from bench.studies.hardest.subset import SAMPLING, Scored

_HOW = {YES: "harder", NO: "easier", NOT_EXCLUDED: "not clearly harder", CANNOT_TELL: "not known to be harder"}


def hard_for_others(
    cases: list[Scored], chosen: set[str], record: Record, others: list[Record], metric: str
) -> list[dict[str, Any]]:
    """Compare the chosen cases with the rest under each method of each other run.

    Args:
        cases: cases with their scores.
        chosen: names of the hard cases.
        record: the run that chose them.
        others: the other runs.
        metric: the metric.

    Returns:
        For each method, on the cases that it shares with `cases`: the mean clean scores `chosen` and `rest`; their
            `difference` and its `interval` (`intervals.Interval`), None if not known; `correlation`, the rank
            correlation of its scores with those of `cases`, or None; the numbers of `images` and `volumes`.

    Raises:
        InputFileError: a run was sampled differently, or shares too few cases.
    """
    scores = {one.case: one for one in cases}
    found = []
    for other in others:
        with understanding(other.folder / "run.json"):
            for name in SAMPLING:
                if other.run.config.get(name) != record.run.config.get(name):
                    raise InputFileError(f"{other.folder}: its {name} is not that of {record.folder}; name runs alike")
        for label in other.names("victim"):
            own = {row.case: row.clean for row in other.select(victim=label, metric=metric)}
            shared = [case for case in scores if case in own]
            hard = np.array([case in chosen for case in shared], bool)
            if hard.all() or not hard.any():
                raise InputFileError(f"{other.folder}: shares no images with both the subset and the rest")
            values = np.array([own[case] for case in shared])
            means = {"chosen": float(values[hard].mean()), "rest": float(values[~hard].mean())}
            volumes = [scores[case].volume for case in shared]
            interval = of_difference(values.tolist(), volumes, hard.tolist())
            correlation = ranks.rank_correlation(values.tolist(), [scores[case].score for case in shared])
            found.append(
                {"method": label, "images": len(shared), "volumes": len(set(volumes)), **means}
                | {"difference": means["chosen"] - means["rest"], "interval": as_json(interval)}
                | {"correlation": correlation}
            )
    return found


def sentences(found: list[dict[str, Any]], metric: str) -> list[str]:
    """Say for each method whether the chosen images are hard, and judge the claim that they are hard for all."""
    said = []
    for one in found:
        interval = from_json(one["interval"])
        word = verdict(BELOW, [interval])
        difference = told(one["difference"], interval, "{:+.3g}")
        said.append(
            f"for {one['method']} the subset is {_HOW[word]}: {metric} {one['chosen']:.4g}, the rest "
            f"{one['rest']:.4g}, a difference of {difference} ({one['images']} images, "
            f"rank correlation of the scores {ranks.told(one['correlation'], one['volumes'])})"
        )
    return said + [f"published: {one.claim.words}: {one.verdict}" for one in judged(found, metric)]


def judged(found: list[dict[str, Any]], metric: str) -> list[Judged]:
    """Judge the claim that hard images are hard for all methods; none if there are no other methods."""
    parts = []
    for one in found:
        interval = from_json(one["interval"])
        if interval is not None:
            interval = interval._replace(low=-interval.high, high=-interval.low)
        parts.append(Part(one["method"], -one["difference"], interval, metric.upper()))
    return [Judged(HARD_FOR_ALL, parts, min(one["images"] for one in found))] if found else []
