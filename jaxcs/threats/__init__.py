"""Threats to a scan: balls of perturbations, changes of the scan, and how both enter it."""

from jaxcs import catalogue
from jaxcs.registry import Registry
from jaxcs.threats.balls import Threat
from jaxcs.threats.changes import Change
from jaxcs.threats.noise import Noise

__all__ = ["CHANGES", "NORMS", "Change", "Noise", "Threat"]

CHANGES: Registry[Change] = Registry(catalogue.CHANGES, Change)
NORMS: Registry[Noise] = Registry(catalogue.NORMS, Noise)
