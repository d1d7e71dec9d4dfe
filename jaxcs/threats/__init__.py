"""Threats to a scan: balls of perturbations, changes of the scan, and how both enter it."""

from jaxcs.threats.balls import Threat
from jaxcs.threats.changes import CHANGES, Change

__all__ = ["CHANGES", "Change", "Threat"]
