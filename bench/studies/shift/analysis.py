"""Scores of several models in and out of distribution: points, the line through them, and which images are hard.

Only NumPy and SciPy work on the scores, so that a study can be analysed again without JAX.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from bench.plan.intervals import CONFIDENCE, Interval, as_json, of_difference, of_mean
from bench.plan.line import line
from bench.plan.ranks import rank_correlation, rank_interval


class Scores(NamedTuple):
    """Clean scores of a run.

    Attributes:
        values: score by case.
        volumes: volume by case.
    """

    values: dict[str, float]
    volumes: dict[str, str]


class Point(NamedTuple):
    """A model, or a method, in the plane.

    Attributes:
        label: name in tables.
        variant: the method's variant.
        group: the variant's family.
        inside: scores in distribution.
        outside: scores out of distribution.
    """

    label: str
    variant: str
    group: str
    inside: Scores
    outside: Scores


def analyse(points: list[Point]) -> dict[str, Any]:
    """Compute all results of a comparison, as values that JSON can hold.

    On each side, only cases count that all points share.  Each point has its means and its drop (inside minus outside),
    each with its `intervals.Interval` by volume; if both sides have the same images, the drop is image by image.
    `ranks` is Spearman's correlation of the means inside and outside, with its interval over the points.  The entries
    `line` and `spread` come from the functions of that name, and `hard` from `_agreement`.
    """
    inside, outside = _shared([one.inside for one in points]), _shared([one.outside for one in points])
    rows: list[dict[str, Any]] = []
    for one in points:
        x, y = (_mean(scores, cases) for scores, cases in ((one.inside, inside), (one.outside, outside)))
        drop = _drop(one, inside, outside)
        rows.append(
            {"label": one.label, "variant": one.variant, "group": one.group}
            | {"inside": x[0], "inside_interval": as_json(x[1]), "outside": y[0], "outside_interval": as_json(y[1])}
            | {"drop": drop[0], "drop_interval": as_json(drop[1])}
        )
    means = [row["inside"] for row in rows], [row["outside"] for row in rows]
    ranks = correlation(*means)
    return {
        "n_inside": len(inside),
        "n_outside": len(outside),
        "volumes": [len({one.volumes[case] for case in cases}) for one, cases in _sides(points[0], inside, outside)],
        "paired": inside == outside,
        "points": rows,
        # Its interval answers what other methods would do: errors of the means over images are part of the scatter.
        # Errors that all methods share, because they see the same images, move the line and hardly turn it.
        "line": line(*means),
        "ranks": ranks,
        "ranks_interval": as_json(rank_interval(ranks, len(points))),
        "spread": spread(points, inside, outside),
        "hard": {
            "inside": _agreement([one.inside for one in points], inside),
            "outside": _agreement([one.outside for one in points], outside),
        },
    }


def correlation(x: list[float], y: list[float]) -> float | None:
    """Return Spearman's correlation, or None if there are fewer than three values or one side is constant."""
    return rank_correlation(x, y) if len(x) >= 3 else None


def spread(points: list[Point], inside: list[str], outside: list[str]) -> dict[str, Any] | None:
    """Compute how much the largest drop exceeds the smallest, with its interval; None if there is one point.

    The difference is image by image, so that effects common to all methods cancel.  Bonferroni's correction for the
    choice of these two among all pairs widens the interval.
    """
    if len(points) < 2:
        return None
    drops = {one.label: _drop(one, inside, outside)[0] for one in points}
    by_label = {one.label: one for one in points}
    most, least = max(drops, key=lambda label: drops[label]), min(drops, key=lambda label: drops[label])
    sides = [
        _difference(getattr(by_label[most], side), getattr(by_label[least], side), cases)
        for side, cases in (("inside", inside), ("outside", outside))
    ]
    both = Point("", "", "", *sides)
    pairs = len(points) * (len(points) - 1) / 2
    value, interval = _drop(both, inside, outside, 1 - (1 - CONFIDENCE) / pairs)
    return {"most": most, "least": least, "value": value, "interval": as_json(interval)}


def _shared(scores: list[Scores]) -> list[str]:
    """The cases that all scores have, in a fixed order."""
    return sorted(set.intersection(*(set(one.values) for one in scores)))


def _sides(one: Point, inside: list[str], outside: list[str]) -> list[tuple[Scores, list[str]]]:
    return [(one.inside, inside), (one.outside, outside)]


def _mean(scores: Scores, cases: list[str], confidence: float = CONFIDENCE) -> tuple[float, Interval | None]:
    values = [scores.values[case] for case in cases]
    return float(np.mean(values)), of_mean(values, [scores.volumes[case] for case in cases], confidence)


def _drop(
    one: Point, inside: list[str], outside: list[str], confidence: float = CONFIDENCE
) -> tuple[float, Interval | None]:
    """Inside minus outside, and its interval."""
    if inside == outside:
        differences = {case: one.inside.values[case] - one.outside.values[case] for case in inside}
        return _mean(Scores(differences, one.inside.volumes), inside, confidence)
    sides = _sides(one, inside, outside)
    values = [scores.values[case] for scores, cases in sides for case in cases]
    volumes = [scores.volumes[case] for scores, cases in sides for case in cases]
    chosen = [True] * len(inside) + [False] * len(outside)
    drop = float(np.mean(values[: len(inside)]) - np.mean(values[len(inside) :]))
    return drop, of_difference(values, volumes, chosen, confidence)


def _difference(one: Scores, other: Scores, cases: list[str]) -> Scores:
    return Scores({case: one.values[case] - other.values[case] for case in cases}, one.volumes)


def _agreement(scores: list[Scores], cases: list[str]) -> dict[str, Any] | None:
    """Measure whether images that are hard for one method are hard for the others.

    `mean` and `least` are over all pairs of points, of Spearman's correlation of their scores of the images.  `volumes`
    is the number of independent draws.  `mean_interval` and `least_interval` are those of one pair with this
    correlation; the interval of the mean of several pairs would not be wider.
    """
    each = [[one.values[case] for case in cases] for one in scores]
    found = [correlation(x, y) for x, y in itertools.combinations(each, 2)]
    known = [value for value in found if value is not None]
    if not known:
        return None
    volumes = len({scores[0].volumes[case] for case in cases})
    mean, least = float(np.mean(known)), min(known)
    intervals = {name: as_json(rank_interval(one, volumes)) for name, one in (("mean", mean), ("least", least))}
    return {"mean": mean, "least": least, "volumes": volumes} | {
        f"{name}_interval": one for name, one in intervals.items()
    }
