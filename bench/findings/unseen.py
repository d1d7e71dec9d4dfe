"""Whether PSNR and SSIM tell an image in which an attack has made a hallucination from a clean image.

The number is the probability that an attacked image of one volume scores worse than a clean image of another (the
area under the receiver operating characteristic): 0.5 if the score tells nothing, 1 if it tells every image.  Its
interval is that of DeLong et al. (Biometrics 44:837, 1988) over volumes, each with a clean and an attacked image
(Obuchowski, Biometrics 53:567, 1997), with Student's quantile.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.findings.judged import Judged, Part
from bench.findings.published import UNSEEN
from bench.plan.intervals import of_mean
from bench.plan.scores import METRICS
from bench.record.rows import Row

_AIM = "hallucination"
_SEEING = ("psnr", "ssim")


def judged(rows: Sequence[Row]) -> list[Judged]:
    """Judge the claim by a run that aims at hallucinated energy; none if the run has no such metric."""
    eps = max((row.eps for row in rows), default=0.0)
    at = [row for row in rows if row.eps == eps > 0 and row.source == row.victim]
    parts, fewest = [], 0
    for victim in dict.fromkeys(row.victim for row in at):
        of = {name: [row for row in at if row.victim == victim and row.metric == name] for name in (_AIM, *_SEEING)}
        if not of[_AIM]:
            continue
        told, _ = worse(of[_AIM])
        clean, attacked = (float(np.mean([row.score(state) for row in of[_AIM]])) for state in ("clean", "attacked"))
        for metric in _SEEING:
            share, each = worse(of[metric])
            more = f"hallucinated energy {clean:.4f}, then {attacked:.4f}, which tells {told:.2f}"
            interval = of_mean(each, [row.volume for row in of[metric]])
            parts.append(Part(f"{metric} of {victim} at epsilon {eps:g}", share, interval, more))
            fewest = min(fewest or len(each), len(each))
    return [Judged(UNSEEN, parts, fewest)] if parts else []


def worse(rows: Sequence[Row]) -> tuple[float, list[float]]:
    """Compute the share of pairs in which the attacked image scores worse than the clean one; ties count half.

    Args:
        rows: one metric of each image; pairs are of two volumes.

    Returns:
        The share, and a contribution of each image whose mean is the share and whose spread is that of the share.
    """
    sign = 1 if METRICS[rows[0].metric].better else -1
    clean, attacked = (sign * np.array([row.score(state) for row in rows]) for state in ("clean", "attacked"))
    volumes = np.array([row.volume for row in rows])
    # A radiologist who reads an image has no clean image of the same patient.
    apart = volumes[:, None] != volumes
    pairs = apart * ((attacked[:, None] < clean) + 0.5 * (attacked[:, None] == clean))
    count = max(int(apart.sum()), 1)
    share = float(pairs.sum() / count)
    return share, (len(rows) / count * (pairs.sum(axis=1) + pairs.sum(axis=0)) - share).tolist()
