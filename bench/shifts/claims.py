"""The verdicts of a study on the published claims about shifts, in the words of `bench.harness.verdict`."""

from __future__ import annotations

from typing import Any

from bench.harness.intervals import from_json, told
from bench.harness.verdict import ABOVE, verdict
from bench.shifts.analysis import interval_of_slope

# Darestani et al., ICML 2021, Figs. 2, 4 and 13: a line of slope 1.  By the claim, the axes that bear on it, and those
# of which a study must have one for it to be about the claim.
_PARALLEL = (
    ("another anatomy costs all methods alike", ("anatomy",), ("anatomy",)),
    (
        "another data set costs all methods alike",
        ("dataset", "dataset-2021", "contrast", "resolution", "noise"),
        ("dataset", "dataset-2021"),
    ),
    ("acceleration and mask cost all methods alike", ("acceleration", "mask"), ("acceleration", "mask")),
)


def claims(comparisons: list[dict[str, Any]]) -> list[str]:
    """A sentence for each claim that the comparisons bear on."""
    known = [one for one in comparisons if one["kind"] == "same model"]
    found = []
    for words, axes, needed in _PARALLEL:
        lines = [(one["results"]["line"], len(one["results"]["points"])) for one in known if one["axis"] in axes]
        slopes = [interval_of_slope(line, count) for line, count in lines if line is not None]
        if slopes and any(one["axis"] in needed for one in known):
            numbers = ", ".join(told((one.low + one.high) / 2, one, "{:.2f}") for one in slopes)
            found.append(f"{words}, a line of slope 1: {verdict(1.0, slopes)} (slopes {numbers})")
    ranks = [one["results"] for one in known if one["results"]["ranks"] is not None]
    if ranks:
        word = verdict(ABOVE, [from_json(one["ranks_interval"]) for one in ranks])
        numbers = ", ".join(f"{one['ranks']:.2f}" for one in ranks)
        found.append(f"a shift keeps the order of the methods: {word} (rank correlations {numbers})")
    for one in known:
        if one["axis"] == "hard":
            points = one["results"]["points"]
            drops = [from_json(point["drop_interval"]) for point in points]
            fall = sum(drop is not None and drop.excludes(0) and drop.low > 0 for drop in drops)
            found.append(
                f"hard images are hard for all methods, {one['name']}: {verdict(ABOVE, drops)} "
                f"({fall} of {len(drops)} fall beyond their intervals)"
            )
    return [f"published: {sentence}." for sentence in found]
