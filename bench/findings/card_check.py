"""Comparison of a network's scores with the card of its weights, from a run's records alone."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import Any

import numpy as np

from bench.plan.config import are_sinograms
from bench.plan.intervals import FEWEST, means_by_volume, quantile
from bench.record.rows import Row
from bench.record.run_record import RunRecord

# The check looks at both metrics of every network, so 95 % would raise too many false alarms.
_CONFIDENCE = 0.99
_SAMPLING = ("mask", "acceleration", "center_fraction")
_WORDS = {"ssim": "SSIM {:.3f}", "psnr": "PSNR {:.2f} dB"}


def below_card(rows: list[Row], run: RunRecord) -> dict[str, str]:
    """Find networks that score clearly less on clean data than their cards state.

    A card is comparable under three conditions.  Its validation images were of the same phantom, or of a file of this
    name.  They were sampled and shifted in the same way; sinograms had as many views.  The run's images were neither
    chosen for being hard nor scored in a region.

    "Clearly" means by more than half of Student's 99 % interval of a difference of two means, the run's by volume.  The
    spread is the card's.  Older cards state none; then it is the run's, and fewer than 5 volumes cannot tell.

    Args:
        rows: lines of images.jsonl.
        run: content of run.json.

    Returns:
        A sentence for each such network, by victim.
    """
    found = {}
    for victim, method in run.methods.items():
        card = (method.get("weights") or {}).get("card")
        if card is None or not _comparable(card, method.get("method"), run):
            continue
        scores = card["validation"]
        for metric, style in _WORDS.items():
            values = _by_volume(rows, victim, metric)
            stated = scores.get(metric)
            margin = _margin(values, scores.get(f"{metric}_spread"), scores.get("images"))
            if not _is_number(stated) or margin is None or not float(np.mean(values)) < stated - margin:
                continue
            found[victim] = (
                f"{victim} has {style.format(np.mean(values))} on clean data, and by the card of its weights "
                f"{style.format(stated)}; of {len(values)} volume{'s' * (len(values) > 1)} chance explains "
                f"{style.partition(' ')[2].format(margin)}"
            )
            break
    return found


def _comparable(card: Any, method: Any, run: RunRecord) -> bool:
    config = run.config
    if type(card) is not dict or type(card.get("validation")) is not dict or type(card.get("training")) is not dict:
        return False
    trained = card["training"]
    if card.get("method") != method or config.get("only") is not None or config.get("region") is not None:
        return False
    if dict(trained.get("shift") or {}) != dict(config.get("shift") or {}):
        return False
    if are_sinograms(config):
        # The usual number of views follows from the size, so what was measured tells, and not the flags.
        views = {one.get("samples") for one in run.sampling.values()}
        if views != _views_of(card.get("shapes")):
            return False
    elif any(trained.get(name) != config.get(name) for name in _SAMPLING):
        return False
    data, own = trained.get("validation") or trained.get("data"), config.get("data")
    if data is None or own is None:
        return data is None and own is None and trained.get("phantom") == config.get("phantom")
    return PurePath(str(data)).name == PurePath(str(own)).name


def _views_of(shapes: Any) -> set[Any]:
    """The numbers of views in a card's shapes (1, detector, view)."""
    return {one[-1] for one in shapes if type(one) is list and one} if type(shapes) is list else set()


def _by_volume(rows: list[Row], victim: str, metric: str) -> list[float]:
    """Clean mean of each volume."""
    cases = {(row.case, row.volume): row.clean for row in rows if (row.victim, row.metric) == (victim, metric)}
    return means_by_volume(np.array(list(cases.values())), [volume for _, volume in cases])


def _margin(values: list[float], spread: Any, images: Any) -> float | None:
    """The largest distance of the values' mean below the card's that may be chance; None if that cannot be told."""
    count = len(values)
    if _is_number(spread) and _is_number(images) and images >= FEWEST and count:
        of_card = images
    elif count >= FEWEST:
        # The card's mean is also a mean over images, but the card does not say how many.
        spread, of_card, images = float(np.std(values, ddof=1)), count, count
    else:
        return None
    return quantile(images, _CONFIDENCE) * spread * math.sqrt(1 / count + 1 / of_card)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)
