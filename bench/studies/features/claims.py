"""Verdicts of a study of small features on the claims of the ICML 2021 paper, image by image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from bench.findings.judged import Judged, Part
from bench.findings.published import BY_FEATURES, BY_FINDINGS, CONVDECODER_BEST, DARK, OPTIMISER
from bench.plan import ranks
from bench.plan.intervals import FEWEST, Interval, of_mean

Rows = list[dict[str, Any]]
# Suffix of the optimiser that is fitted a second time from another random network: the difference is chance alone.
AGAIN = ", again"
# With fewer places on an image, two orders need a correlation over 0.63 to differ from chance.
PLACES = 10
_CONVDECODER = "convdecoder"
# An order of two methods says nothing.
_FEWEST_METHODS = 3


def judged(study: str, rows: Rows, how: str) -> list[Judged]:
    """Judge each claim that the rows of a study bear on.

    Args:
        study: name of the study.
        rows: its rows.
        how: how the features were inserted into the scan, see `Insertion`.
    """
    names = methods_of(rows)
    found: list[Judged | None] = []
    if study == "map":
        found.append(in_the_dark(rows, names, how))
    if study == "sizes":
        found.append(convdecoder_lowest(rows, names))
    if study == "optimisers":
        found.append(moved(rows, names))
    elif study != "worst" and len(names) >= _FEWEST_METHODS:
        found.append(ranking(rows, names, "box" if study == "boxes" else "feature"))
    return [one for one in found if one is not None and one.parts]


def methods_of(rows: Rows) -> list[str]:
    """Return the methods in order of first appearance."""
    return list(dict.fromkeys(row["method"] for row in rows))


def rank_correlation(x: list[float], y: list[float]) -> float:
    """Return Spearman's correlation; NaN if one list is constant, or if some values are missing because they failed."""
    found = ranks.rank_correlation(x, y) if x and len(x) == len(y) else None
    return float("nan") if found is None else found


def scored(rows: Rows, kind: str, method: str, *names: str) -> np.ndarray:
    """Return the (row, name) scores of one method, from the rows that have all these scores."""
    own = [row for row in rows if row["kind"] == kind and row["method"] == method]
    values = [[row.get(name) for name in names] for row in own]
    return np.array([value for value in values if None not in value], float).reshape(-1, len(names))


def mean_of(rows: Rows, kind: str, method: str, score: str) -> float:
    """Return the mean of a method's score; NaN if it has none."""
    found = scored(rows, kind, method, score)
    return float(np.mean(found)) if len(found) else float("nan")


def over_images(rows: Rows, score: Callable[[Rows], float]) -> tuple[float | None, Interval | None]:
    """Compute a score from the rows of each image, and its mean over images.

    Returns:
        The mean, None if no image has a score; and its interval, None if all images are of one volume.
    """
    found = [(score(own), own[0]["volume"]) for own in by_image(rows)]
    known = [(value, volume) for value, volume in found if np.isfinite(value)]
    if not known:
        return None, None
    values, volumes = [value for value, _ in known], [volume for _, volume in known]
    return float(np.mean(values)), of_mean(values, volumes)


def by_image(rows: Rows) -> list[Rows]:
    """Return the rows of each image."""
    groups: dict[tuple[str, str], Rows] = {}
    for row in rows:
        groups.setdefault((row["image"], row["volume"]), []).append(row)
    return list(groups.values())


def in_the_dark(rows: Rows, names: list[str], how: str) -> Judged | None:
    """Judge whether the error is larger in dark places; images are independent draws, places of one image are not.

    Returns:
        The claim; None if features are added to the image, for which nothing is published.
    """
    if how == "add":
        return None
    parts = [
        Part(name, *over_images(rows, partial(_with_brightness, name)), _times(rows, name))
        for name in names
        if name in ("l1", "varnet") and len(scored(rows, "feature", name, "mse"))
    ]
    return Judged(DARK, parts, len(by_image(rows)))


def darker(name: str, rows: Rows) -> float:
    """Return a method's mean MSE in the darker half of the places over that in the brighter half.

    Returns:
        The ratio [-]; NaN if all places are equally bright.
    """
    mse, background = scored(rows, "feature", name, "mse", "background").T
    if not len(mse):
        return float("nan")
    dark = background <= np.median(background)
    return float("nan") if dark.all() else float(np.mean(mse[dark]) / np.mean(mse[~dark]))


def ranking(rows: Rows, names: list[str], kind: str) -> Judged | None:
    """Judge whether the order of methods by MSE of features ("feature") or findings ("box") is that by SSIM."""
    if len(names) < 2:
        return None
    claim = BY_FINDINGS if kind == "box" else BY_FEATURES
    better = [-mean_of(rows, kind, name, "mse") for name in names]
    ssim = [mean_of(rows, "image", name, "ssim") for name in names]
    found = ranks.rank_correlation(better, ssim) if np.isfinite([better, ssim]).all() else None
    # Scores of few images say nothing about other images, however many methods there are.
    several = len({row["volume"] for row in rows}) >= FEWEST
    part = Part(f"{len(names)} methods", found, ranks.rank_interval(found, len(names)) if several else None)
    return Judged(claim, [part], len(by_image(rows)))


def convdecoder_lowest(rows: Rows, names: list[str]) -> Judged | None:
    """Judge whether ConvDecoder's MSE is below that of each other method at every size; None if it is not compared."""
    if _CONVDECODER not in names:
        return None

    def above(other: str, own: Rows) -> float:
        return mean_of(own, "feature", _CONVDECODER, "mse") - mean_of(own, "feature", other, "mse")

    parts = [
        Part(f"{other} at size {size:g}", *over_images(of_size(rows, size), partial(above, other)))
        for size in sizes_of(rows)
        for other in names
        if other != _CONVDECODER
    ]
    return Judged(CONVDECODER_BEST, parts, len(by_image(rows)))


def sizes_of(rows: Rows) -> list[float]:
    """Return the sizes of the features [pixels], ascending."""
    return sorted({row["size"] for row in rows if row["kind"] == "feature"})


def of_size(rows: Rows, size: float) -> Rows:
    """Return the rows of features of this size [pixels]."""
    return [row for row in rows if row.get("size") == size]


def moved(rows: Rows, names: list[str]) -> Judged | None:
    """Judge whether another optimiser moves the errors more than another start of the first; None if few places."""
    first, *others = names
    control = f"{first}{AGAIN}"
    count = min(len(scored(own, "feature", name, "mse")) for own in by_image(rows) for name in names)
    if control not in others or count < PLACES:
        return None

    def alike(name: str, own: Rows) -> float:
        one, other = (scored(own, "feature", method, "mse")[:, 0].tolist() for method in (first, name))
        return rank_correlation(one, other)

    def lower(name: str, own: Rows) -> float:
        return alike(name, own) - alike(control, own)

    again = _two(over_images(rows, partial(alike, control))[0])
    parts = []
    for name in others:
        if name != control:
            beside = _two(over_images(rows, partial(alike, name))[0])
            parts.append(Part(name, *over_images(rows, partial(lower, name)), f"{beside}, with another start {again}"))
    return Judged(OPTIMISER, parts, len(by_image(rows)))


def _with_brightness(name: str, rows: Rows) -> float:
    """The rank correlation of a method's MSE and the brightness of the place."""
    mse, background = scored(rows, "feature", name, "mse", "background").T
    return rank_correlation(list(mse), list(background))


def _times(rows: Rows, name: str) -> str:
    times, _ = over_images(rows, partial(darker, name))
    return "" if times is None else f"MSE in the darker half {times:.2f} times that in the brighter"


def _two(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"
