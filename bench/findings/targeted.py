"""The harm of an attack on a region beside that of another attack.

An attack on the whole image, scored in the region too, tells what the aim does (Morshuis et al. 2022, Fig. 1b).  An
attack on boxes of equal sizes beside the findings tells whether findings are more fragile than what is around them.
"""

from __future__ import annotations

import statistics
from typing import NamedTuple

from bench.plan.config import BESIDE, BOXES
from bench.plan.intervals import of_mean, told
from bench.record.record import Record


def sentences(records: list[Record]) -> list[str]:
    """Compare each run that aims at a region with the runs that differ from it in the aim or the place alone.

    Args:
        records: finished runs.

    Returns:
        A sentence for each method that was attacked in both, about the SSIM lost in the region.
    """
    found = []
    for one in records:
        for other in records:
            if one.run.config.get("aim") != "region":
                continue
            methods = [name for name in one.names("source") if name in other.names("source")]
            if one.run.config | {"aim": "image"} == other.run.config:
                found += [_sentence(one, other, name) for name in methods]
            if one.run.config["region"] == BOXES and one.run.config | {"region": BESIDE} == other.run.config:
                found += [_control(one, other, name) for name in methods]
    return [said for said in found if said]


class _Lost(NamedTuple):
    """SSIM lost in two runs at the largest epsilon: means, and the difference with its interval in words."""

    eps: float
    one: float
    other: float
    more: str


def _lost(one: Record, other: Record, method: str) -> _Lost | None:
    """The SSIM lost over the images that the runs share; None if they share none."""
    eps = max(one.eps)
    lost: list[dict[str, float]] = []
    volumes: dict[str, str] = {}
    for record in (one, other):
        rows = record.select(source=method, victim=method, metric="ssim", eps=eps)
        lost.append({row.case: row.clean - row.attacked for row in rows})
        volumes |= {row.case: row.volume for row in rows}
    shared = [case for case in lost[0] if case in lost[1]]
    if not shared:
        return None
    means = [statistics.fmean(values[case] for case in shared) for values in lost]
    more = [lost[0][case] - lost[1][case] for case in shared]
    interval = told(statistics.fmean(more), of_mean(more, [volumes[case] for case in shared]), "{:+.3f}")
    return _Lost(eps, means[0], means[1], interval)


def _sentence(one: Record, other: Record, method: str) -> str:
    """The effect of the aim in a sentence; "" if the runs share no image."""
    lost = _lost(one, other, method)
    words = {BOXES: "the boxes of each image", BESIDE: "the boxes beside the findings"}
    region = one.run.config["region"]
    where = words[region] if isinstance(region, str) else "the region"
    if lost is None:
        return ""
    return (
        f"{method}: of the SSIM in {where}, an attack of epsilon {lost.eps:g} that aims at them takes {lost.one:.3f}, "
        f"and one that aims at the whole image {lost.other:.3f}: aiming does {lost.more} more."
    )


def _control(one: Record, other: Record, method: str) -> str:
    """How much more fragile findings are than what is beside them; "" if the runs share no image."""
    lost = _lost(one, other, method)
    if lost is None:
        return ""
    return (
        f"{method}: an attack of epsilon {lost.eps:g} on the boxes of each image takes {lost.one:.3f} of their SSIM, "
        f"and one on boxes of the same sizes beside them {lost.other:.3f}: the findings lose {lost.more} more."
    )
