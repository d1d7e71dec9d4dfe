"""Verdicts of a study on the published claims about shifts, in the words of `bench.findings.judged`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bench.findings.judged import YES, Judged, Part
from bench.findings.published import ANATOMY, DATASET, HARD_FOR_ALL, ORDER_KEPT, SAMPLING, Claim
from bench.plan.intervals import FEWEST, Interval, from_json
from bench.plan.line import interval_of_slope

Comparison = dict[str, Any]
# For each claim: the axes that bear on it, and the axes of which a study must have at least one.
_PARALLEL: tuple[tuple[Claim, tuple[str, ...], tuple[str, ...]], ...] = (
    (ANATOMY, ("anatomy",), ("anatomy",)),
    (DATASET, ("dataset", "dataset-2021", "contrast", "resolution", "noise"), ("dataset", "dataset-2021")),
    (SAMPLING, ("acceleration", "mask"), ("acceleration", "mask")),
)


def claims(comparisons: list[Comparison]) -> list[str]:
    """Say the verdict on each claim that the comparisons bear on."""
    found = []
    for one in judged(comparisons):
        numbers = f"{one.claim.number}: {', '.join(one.numbers)}"
        if one.claim is HARD_FOR_ALL:
            numbers = f"{len(one.by_word.get(YES, []))} of {len(one.parts)} fall beyond their intervals"
        found.append(f"published: {one.claim.words}: {one.verdict} ({numbers}).")
    return found


def judged(comparisons: list[Comparison]) -> list[Judged]:
    """Judge each claim that the comparisons bear on.

    Args:
        comparisons: the comparisons, each with its `results`.
    """
    known = [one for one in comparisons if one["kind"] == "same model"]
    found = []
    for claim, axes, needed in _PARALLEL:
        if any(one["axis"] in needed for one in known):
            found.append(_of(claim, (one for one in known if one["axis"] in axes), _slope))
    found.append(_of(ORDER_KEPT, known, _order))
    hard = [one for one in known if one["axis"] == "hard"]
    drops = [
        Part(point["label"], point["drop"], from_json(point["drop_interval"]))
        for one in hard
        for point in one["results"]["points"]
    ]
    found.append(Judged(HARD_FOR_ALL, drops, min(map(_images, hard), default=0)))
    return [one for one in found if one.parts]


def sure_slope(results: dict[str, Any]) -> Interval | None:
    """Return the interval of a comparison's slope; None if it has no line, or images of fewer than 5 volumes."""
    if results["line"] is None or min(results["volumes"]) < FEWEST:
        return None
    return interval_of_slope(results["line"], len(results["points"]))


def _of(claim: Claim, comparisons: Iterable[Comparison], part: Callable[[Comparison], Part | None]) -> Judged:
    made = [(part(one), _images(one)) for one in comparisons]
    known = [(one, images) for one, images in made if one is not None]
    return Judged(claim, [one for one, _ in known], min((images for _, images in known), default=0))


def _slope(comparison: Comparison) -> Part | None:
    line = comparison["results"]["line"]
    return None if line is None else Part(comparison["name"], line["slope"], sure_slope(comparison["results"]))


def _order(comparison: Comparison) -> Part | None:
    results = comparison["results"]
    if results["ranks"] is None:
        return None
    few = min(results["volumes"]) < FEWEST  # their scores say little about other volumes
    more = f"{len(results['points'])} methods"
    return Part(comparison["name"], results["ranks"], None if few else from_json(results["ranks_interval"]), more)


def _images(comparison: Comparison) -> int:
    return min(comparison["results"]["n_inside"], comparison["results"]["n_outside"])
