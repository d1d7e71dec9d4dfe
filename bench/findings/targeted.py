"""The harm of an attack on a region beside that of an attack on the whole image (Morshuis et al. 2022, Fig. 1b).

Both attacks are scored in the region, so that they are two runs that differ in their aim alone.
"""

from __future__ import annotations

import statistics

from bench.plan.intervals import of_mean, told
from bench.record.record import Record


def sentences(records: list[Record]) -> list[str]:
    """Compare each run that aims at a region with the run of the same settings that aims at the whole image.

    Args:
        records: finished runs.

    Returns:
        A sentence for each method that was attacked in both, about the SSIM lost in the region.
    """
    found = []
    for one in records:
        for other in records:
            if one.run.config.get("aim") == "region" and _whole(one) == other.run.config:
                methods = [name for name in one.names("source") if name in other.names("source")]
                found += [_sentence(one, other, name) for name in methods]
    return [said for said in found if said]


def _whole(record: Record) -> dict[str, object]:
    """The settings of a run, if its attack looked at the whole image."""
    return {**record.run.config, "aim": "image"}


def _sentence(one: Record, other: Record, method: str) -> str:
    """The sentence about a method at the largest epsilon; "" if the runs share no image."""
    eps = max(one.eps)
    lost: list[dict[str, float]] = []
    volumes: dict[str, str] = {}
    for record in (one, other):
        rows = record.select(source=method, victim=method, metric="ssim", eps=eps)
        lost.append({row.case: row.clean - row.attacked for row in rows})
        volumes |= {row.case: row.volume for row in rows}
    shared = [case for case in lost[0] if case in lost[1]]
    if not shared:
        return ""
    aimed, whole = (statistics.fmean(values[case] for case in shared) for values in lost)
    more = [lost[0][case] - lost[1][case] for case in shared]
    interval = told(statistics.fmean(more), of_mean(more, [volumes[case] for case in shared]), "{:+.3f}")
    where = "the boxes of each image" if one.run.config["region"] == "boxes" else "the region"
    return (
        f"{method}: of the SSIM in {where}, an attack of epsilon {eps:g} that aims at them takes {aimed:.3f}, and one "
        f"that aims at the whole image {whole:.3f}: aiming does {interval} more."
    )
