"""Findings of a study as sentences with their numbers, beside the paper's findings."""

from __future__ import annotations

import statistics
from typing import Any

from bench.findings.judged import verdict
from bench.findings.published import PARALLEL
from bench.plan import ranks
from bench.plan.intervals import FEWEST, from_json, told
from bench.studies.shift.claims import claims, sure_slope


def findings(comparisons: list[dict[str, Any]]) -> list[str]:
    """Say the findings of all comparisons of a study; a comparison of one image has none.

    Args:
        comparisons: the comparisons, each with its `results`.
    """
    told = [one for one in comparisons if min(one["results"]["n_inside"], one["results"]["n_outside"]) > 1]
    found = [sentence for one in told for sentence in _of(one)]
    found += [sentence for one in told for sentence in _parts(one, told)]
    return found + claims(told)


def _of(comparison: dict[str, Any]) -> list[str]:
    results, paper = comparison["results"], comparison["paper"]
    found = [_drops(results)]
    if results["line"] is not None:
        found.append(_line(results, bool(paper)))
    if results["spread"] is not None and results["spread"]["interval"] is not None:
        found.append(_spread(results["spread"], bool(paper)))
    if results["ranks"] is not None:
        found.append(_ranks(results))
    if comparison["kind"] == "same model":
        found += _hard(comparison)
    if min(results["volumes"]) < FEWEST:
        count = min(results["volumes"])
        found.append(
            f"{count} volume{'s' * (count > 1)} are too few for intervals of scores, so that ranges stand for them"
        )
    if comparison["parts"]:
        found.append(f"confounded: {' and '.join(comparison['parts'])} change together")
    if paper:
        found.append(f"the paper, {paper}")
    return [f"{comparison['name']}: {sentence}." for sentence in found]


def _drops(results: dict[str, Any]) -> str:
    points = results["points"]
    ordered = sorted(points, key=lambda one: one["drop"])
    drops = [from_json(one["drop_interval"]) for one in points]
    sure = [drop for drop in drops if drop is not None and drop.excludes(0)]
    known = any(drop is not None and drop.volumes >= FEWEST for drop in drops)
    falls, rises = sum(drop.low > 0 for drop in sure), sum(drop.high < 0 for drop in sure)
    told = f"; it falls beyond its interval for {falls} and rises for {rises}" if known else ""
    mean = statistics.fmean(one["drop"] for one in points)
    ends = f"from {_signed(-ordered[-1]['drop'])} ({ordered[-1]['label']}) to {_signed(-ordered[0]['drop'])}"
    return f"SSIM changes by {_signed(-mean)} on the mean of {len(points)}, {ends} ({ordered[0]['label']}){told}"


def _line(results: dict[str, Any], compared: bool) -> str:
    line, count = results["line"], len(results["points"])
    slope, half = line["slope"], line["slope_half"]
    one, none = abs(slope - 1) <= half, abs(slope) <= half
    if one and none:
        words = "neither 1, parallel to y = x, nor 0, no relation, can be excluded"
    elif one:
        words = "1, parallel to y = x, cannot be excluded"
    else:
        words = f"not parallel to y = x but {'flatter' if slope < 1 else 'steeper'}"
    if compared:
        words += f" (the paper's parallel line: {verdict(PARALLEL, [sure_slope(results)])})"
    return (
        f"the line through {count} points has slope {slope:.2f} ± {half:.2f}, intercept {line['intercept']:+.2f} ± "
        f"{line['intercept_half']:.2f} and R^2 {line['r2']:.2f}: {words}"
    )


def _spread(spread: dict[str, Any], compared: bool) -> str:
    value, interval = spread["value"], from_json(spread["interval"])
    word = verdict(0.0, [interval])
    pair = f"{spread['most']} loses {told(value, interval, '{:.3f}')} more than {spread['least']}"
    pair += f" (the paper's equal drops: {word})" * compared
    assert interval is not None
    if interval.excludes(0):
        return f"the drops are not equal, {pair}"
    return f"the drops may be equal, {pair}" if interval.volumes >= FEWEST else f"of so few volumes, {pair}"


def _ranks(results: dict[str, Any]) -> str:
    first, then = (max(results["points"], key=lambda one: one[side])["label"] for side in ("inside", "outside"))
    best = f"{first} stays the best" if first == then else f"the best was {first} and is {then}"
    return (
        f"the order of the methods has a rank correlation of "
        f"{ranks.told(results['ranks'], len(results['points']))}; {best}"
    )


def _hard(comparison: dict[str, Any]) -> list[str]:
    # Among images that were selected for being hard, the scores of a method differ little.
    side, where = ("inside", "on images as they come") if comparison["axis"] == "hard" else ("outside", "once shifted")
    hard = comparison["results"]["hard"][side]
    if hard is None:
        return []
    found = [
        f"{where} the methods' scores of the images have a rank correlation of "
        f"{ranks.told(hard['mean'], hard['volumes'])} on the mean of all pairs, "
        f"{ranks.told(hard['least'], hard['volumes'])} at least: {_how(hard)}"
    ]
    if comparison["axis"] == "hard":
        points = comparison["results"]["points"]
        lower = sum(one["drop"] > 0 for one in points)
        drops = [from_json(one["drop_interval"]) for one in points]
        beyond = sum(drop is not None and drop.excludes(0) and drop.low > 0 for drop in drops)
        found.append(
            f"{lower} of {len(points)} methods score lower on the images that were chosen by another one, {beyond} "
            "beyond their interval"
        )
    return found


def _how(hard: dict[str, Any]) -> str:
    interval = from_json(hard["mean_interval"])
    if interval is None or not interval.excludes(0):
        return "whether images hard for one are hard for the others cannot be told"
    if interval.high < 0:
        return "images hard for one are easy for the others"
    how = "mostly" if hard["mean"] > 0.5 else "partly"
    return f"images hard for one are {how} hard for the others"


def _parts(comparison: dict[str, Any], comparisons: list[dict[str, Any]]) -> list[str]:
    """The contribution of each part to a confounded shift, as the mean over the models that all parts share."""
    parts = comparison["parts"]
    apart = [one for one in comparisons if one["axis"] in parts and one["inside"] == comparison["inside"]]
    apart = [one for one in apart if one["kind"] == "same model"]
    if not parts or {one["axis"] for one in apart} != set(parts):
        return []
    every = [{point["label"]: point["drop"] for point in one["results"]["points"]} for one in (comparison, *apart)]
    labels = set.intersection(*map(set, every))
    if not labels:
        return []
    whole, *each = (statistics.fmean(drops[label] for label in sorted(labels)) for drops in every)
    told = ", ".join(f"{one['axis']} alone by {_signed(-drop)}" for one, drop in zip(apart, each, strict=True))
    return [f"{comparison['name']}: together the parts change SSIM by {_signed(-whole)}, {told}."]


def _signed(value: float) -> str:
    return f"{round(value, 3) + 0.0:+.3f}"
