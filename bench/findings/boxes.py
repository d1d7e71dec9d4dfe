"""MSE of the boxes in an image against SSIM of the image, for each image and method (ICML 2021, Fig. 8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from bench.plan.intervals import FEWEST
from jaxcs.catalogue import METHODS

Points = dict[str, tuple[list[float], list[float]]]


def box_points(rows: Iterable[Mapping[str, Any]]) -> Points:
    """Return (SSIM of each image, mean MSE of the boxes in it) by method.

    Args:
        rows: lines of images.jsonl of a study of boxes.
    """
    ssim: dict[tuple[str, str], float] = {}
    errors: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        at = row.get("method", ""), row.get("image", "")
        if row.get("kind") == "image" and row.get("ssim") is not None:
            ssim[at] = row["ssim"]
        elif row.get("kind") == "box" and row.get("mse") is not None:
            errors.setdefault(at, []).append(row["mse"])
    found: Points = {}
    for (method, image), own in errors.items():
        if (method, image) in ssim:
            x, y = found.setdefault(method, ([], []))
            x.append(ssim[method, image])
            y.append(float(np.mean(own)))
    return found


def families(points: Points) -> dict[str, Points]:
    """Group the points by the family of their methods, as `jaxcs.catalogue` has it.

    A group with fewer than five points is left out, because its line would say nothing.
    """
    found: dict[str, Points] = {}
    for method, own in points.items():
        family = METHODS[method].family if method in METHODS else method
        found.setdefault(family, {})[method] = own
    return {family: own for family, own in found.items() if len(together(own)[0]) >= FEWEST}


def together(points: Points) -> tuple[list[float], list[float]]:
    """Return the coordinates of all points, whatever their method."""
    both = list(points.values())
    return [value for x, _ in both for value in x], [value for _, y in both for value in y]
