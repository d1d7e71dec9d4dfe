"""A record of bench.phantoms in words: its table, and below it all that decided the numbers.  It needs no JAX."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bench.findings.markdown import table

STATES = ("clean", "noise", "attacked")
# Decimals of each score, in the order of the table.
SCORES = {
    "geometric accuracy, largest error [%]": 2,
    "uniformity [%]": 1,
    "ghosting [%]": 2,
    "sharpness, width of the edge [mm]": 2,
    "signal-to-noise ratio": 1,
    "resolved lines of 4 mm, of 8": 0,
    "complete low-contrast spokes, of 10": 0,
}


def markdown(record: Mapping[str, Any]) -> str:
    """Make the table of the seven scores, a line for each, and a sentence on what they are of.

    Args:
        record: as `bench.studies.phantoms.scored.carry_out` makes it.
    """
    eps, scores = record["eps"], record["scores"]
    lines = [[name, *(_told(scores[state][name], decimals) for state in STATES)] for name, decimals in SCORES.items()]
    return f"{table(['score', 'clean', f'noise {eps:g}', f'attacked {eps:g}'], lines)}\n\n{_origin(record)}"


def _told(value: float | None, decimals: int) -> str:
    """A score, or a dash if there is none, as for the edge of an image without edges."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.{decimals}f}"


def _origin(record: Mapping[str, Any]) -> str:
    """The method, its weights, the attack and the mask, each with its settings."""
    mask, weights = record["mask"], record["weights"]
    parts = [f"{record['label']} with {_settings(record['config'])}" if record["config"] else record["label"]]
    if weights is not None:
        named = f"weights {weights['given']}" if weights["given"] else "the shipped weights for phantom knees"
        parts.append(f"{named} (sha256 {weights['sha256'][:8]})")
    parts.append(f"attack {record['attack']} with {_settings(record['attack_config'])}")
    parts.append(
        f"epsilon {record['eps']:g}; mask {mask['kind']} with acceleration={mask['acceleration']:g}, "
        f"center_fraction={mask['center_fraction']:g}: {mask['measured']} of {mask['columns']} columns"
    )
    return "; ".join([*parts, f"seed {record['seed']}"]) + "."


def _settings(settings: Mapping[str, Any]) -> str:
    shown = {name: f"{one:g}" if isinstance(one, float) else one for name, one in settings.items()}
    return ", ".join(f"{name}={one}" for name, one in shown.items())
