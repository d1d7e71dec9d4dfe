"""Claims about diffusion samplers: what transferred perturbations do, and what their own gradient does beyond."""

from __future__ import annotations

from collections.abc import Sequence

from bench.findings.judged import Judged, Part
from bench.findings.losses import Losses
from bench.findings.published import DIFFUSION_OWN, DIFFUSION_TRANSFER
from bench.record.rows import Row

_NAME = "diffusion"


def judged(rows: Sequence[Row]) -> list[Judged]:
    """Judge the claims about each diffusion sampler that was scored under perturbations made for other methods."""
    run = Losses.of(rows)
    at = f"at epsilon {run.largest:g}"
    transfer, own = [], []
    for victim in dict.fromkeys(victim for _, victim in run.lost if _NAME in victim):
        other = run.strongest_of_others(victim)
        if other is None:
            continue
        transferred, name = run.lost[other, victim], f"{victim}, by {other}"
        transfer.append(Part(name, *run.more(transferred, run.noise[other, victim]), at))
        if victim in run.attacked:
            own.append(Part(name, *run.more(run.lost[victim, victim], transferred), at))
    found = [Judged(DIFFUSION_TRANSFER, transfer, len(run.volumes)), Judged(DIFFUSION_OWN, own, len(run.volumes))]
    return [one for one in found if one.parts]
