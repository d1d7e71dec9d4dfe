"""The worst rotation beside the attack by noise (Morshuis et al. 2022, Fig. 4a, where rotations are milder)."""

from __future__ import annotations

import statistics

from bench.plan.intervals import of_mean, told
from bench.record.record import Record


def sentences(records: list[Record]) -> list[str]:
    """Compare each run of --threat rotation with the runs of noise on the same images.

    Args:
        records: finished runs.

    Returns:
        A sentence for each method that was attacked in both, about the SSIM lost at their largest sizes.
    """
    found = []
    for one in records:
        for other in records:
            if (one.run.config.get("threat"), other.run.config.get("threat")) == ("rotation", "noise"):
                methods = [name for name in one.names("source") if name in other.names("source")]
                found += [_sentence(one, other, name) for name in methods]
    return [said for said in found if said]


def _sentence(rotation: Record, noise: Record, method: str) -> str:
    """The sentence about a method; "" if the runs share no image."""
    turned, added = (_lost(record, method) for record in (rotation, noise))
    shared = [case for case in turned if case in added]
    if not shared:
        return ""
    volumes = {row.case: row.volume for row in rotation.rows}
    more = [turned[case] - added[case] for case in shared]
    mean = statistics.fmean(more)
    milder = "rotations are milder" if mean < 0 else "rotations are NOT milder"
    interval = told(mean, of_mean(more, [volumes[case] for case in shared]), "{:+.3f}")
    return (
        f"{method}: the worst rotation of up to {max(rotation.eps):g} degrees takes "
        f"{statistics.fmean(turned[case] for case in shared):.3f} of the SSIM, and noise of epsilon {max(noise.eps):g} "
        f"{statistics.fmean(added[case] for case in shared):.3f}: {milder}, by {interval} "
        "(published: milder, Morshuis et al. 2022, Fig. 4a)."
    )


def _lost(record: Record, method: str) -> dict[str, float]:
    """SSIM lost to a method's own attack at the largest size, by image."""
    rows = record.select(source=method, victim=method, metric="ssim", eps=max(record.eps))
    return {row.case: row.clean - row.attacked for row in rows}
