"""The scan of a run: its perturbations, and their way into the method's data."""

from __future__ import annotations

from bench.plan.config import RunConfig
from jaxcs.threats import scan


def build(config: RunConfig, calibration: tuple[int, int] | None) -> scan.Scan:
    """Build the scan with the threat of a run.

    Args:
        config: settings of the run.
        calibration: (rows, columns) from which coil maps are re-estimated, or None.
    """
    maps: scan.MapsKept = "reestimated" if config.maps == "reestimated" else "fixed"
    return scan.build(config.threat, config.norm, maps, calibration)
