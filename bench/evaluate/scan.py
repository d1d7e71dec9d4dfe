"""How the perturbations of a run reach the method."""

from __future__ import annotations

from bench.plan.config import RunConfig
from jaxcs.threats import scan


def build(config: RunConfig, calibration: tuple[int, int] | None) -> scan.Scan:
    """Close over the threat of a run; calibration: the region where maps are re-estimated."""
    maps: scan.MapsKept = "reestimated" if config.maps == "reestimated" else "fixed"
    return scan.build(config.threat, config.norm, maps, calibration)
