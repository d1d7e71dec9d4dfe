"""The part of a slice that is scored: the box that a run names, the boxes that were drawn, or boxes beside these."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.plan.config import BESIDE, RunConfig
from bench.plan.errors import UnsuitedError
from bench.slices.beside import Place, controls
from data_prep.boxes import clipped
from data_prep.cases import Case
from jaxcs.metrics import WINDOW
from jaxcs.scored import region_of


def scored_boxes(case: Case, config: RunConfig) -> list[dict[str, Any]]:
    """Return the boxes of a slice that a run scores, each with its label; [] if the whole image is scored.

    The boxes of the slice are clipped to the image, and widened to the window of SSIM.  Controls beside them keep
    their labels.

    Raises:
        UnsuitedError: the slice has no such box, or no room beside it.
    """
    if config.region is None:
        return []
    ty, tx = case.target.shape
    if isinstance(config.region, tuple):
        row, column, rows, columns = config.region
        if row + rows > ty or column + columns > tx:
            raise UnsuitedError(f"--region: {case.name} has {ty} x {tx} pixels; name a box inside them")
        return [{"box": [row, column, rows, columns], "label": ""}]
    found = [(clipped(box, (ty, tx), WINDOW), box.label) for box in case.boxes]
    inside = [(box, label) for box, label in found if box is not None]
    if not inside:
        size = f"{ty} x {tx} pixels"
        raise UnsuitedError(f"--region {config.region}: {case.name} has no box within its {size}; leave it out")
    places: list[Place | None] = [box for box, _ in inside]
    if config.region == BESIDE:
        places = controls([box for box, _ in inside], np.asarray(case.target))
        if not any(places):
            raise UnsuitedError(f"--region {BESIDE}: {case.name} has no room beside its boxes; leave it out")
    labels = [label for _, label in inside]
    return [
        {"box": list(place), "label": label} for place, label in zip(places, labels, strict=True) if place is not None
    ]


def scored_region(boxes: list[dict[str, Any]], shape: tuple[int, int]) -> np.ndarray | None:
    """Return (ty, tx) bool, True inside the boxes together, or None if there are none.

    Args:
        boxes: those of `scored_boxes`.
        shape: (ty, tx) of the image.
    """
    return region_of([tuple(one["box"]) for one in boxes], shape) if boxes else None
