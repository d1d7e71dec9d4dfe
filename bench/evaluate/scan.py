"""The scan of a run: its perturbations, and their way into the method's data."""

from __future__ import annotations

from bench.plan.config import RunConfig
from jaxcs.catalogue import CHANGES
from jaxcs.threats import scan


def build(config: RunConfig, calibration: tuple[int, int] | None) -> scan.Scan:
    """Build the scan with the threat of a run.

    Args:
        config: settings of the run.
        calibration: (rows, columns) from which coil maps are re-estimated, or None.
    """
    maps: scan.MapsKept = "reestimated" if config.maps == "reestimated" else "fixed"
    return scan.build(config.threat, config.norm, maps, calibration)


def stored_unit(config: RunConfig, scale: float) -> float:
    """Return the factor from a perturbation of the search to the perturbation that a run stores.

    Noise is stored in the units of the data.  A change of the scan, such as an angle, has a unit that no scale changes.

    Args:
        config: settings of the run.
        scale: the number by which the slice's data were divided.
    """
    return 1.0 if config.threat in CHANGES else scale
