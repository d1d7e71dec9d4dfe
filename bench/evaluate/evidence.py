"""What can be said against a result, computed from the result itself and from the attacks that check it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bench.record.records import FLAGS, WORSE_THAN_ZERO_FILLED
from bench.record.rows import Row

# From this fraction of cut-off input pixels on, a record is flagged: there the gradient is blind.
_CLAMPED = 0.01
# A loss that grows by more than this by more work had not been found.
_GROWTH = 1.02
# Less than this is a tie: two programs that compute the same image differ by it.
_TIE = {"psnr": 0.005, "ssim": 0.0005}
# The attack's own arithmetic may leave its set by a rounding error.
_ROUNDING = 1e-3


def search_flags(eps: float, found: Any, checks: dict[str, float]) -> dict[str, bool]:
    """Of one search at one epsilon; checks: the losses that other attacks found, by what they check."""
    if eps == 0:
        return {}
    return {
        "zero gradient": bool(found.gradient_norm == 0),
        "gradient overflow": not np.isfinite(found.gradient_norm),
        "not converged": checks["doubled"] > _GROWTH * found.loss if "doubled" in checks else _climbing(found.trace),
        "restarts help": checks.get("restarted", 0.0) > _GROWTH * found.loss or _helped(found.restarts),
        "gradient-free stronger": checks.get("gradient_free", 0.0) > found.loss,
        "budget exceeded": bool(found.overshoot > 1 + _ROUNDING),
    }


def victim_flags(
    eps: float, attacked: float, noise: float, clamped: float, randomised: bool, maps_leave_out: bool = False
) -> dict[str, bool]:
    """The flags of one reconstruction; attacked and noise: its errors by the loss that the attack drives up."""
    if eps == 0:
        return {}
    return {
        "below noise": attacked <= noise,
        "input clamped": clamped > _CLAMPED,
        "randomised": randomised,
        "maps leave out": maps_leave_out,
    }


def clean_flags(clean: dict[str, float], zero_filled: dict[str, float]) -> dict[str, bool]:
    """Flags of a clean reconstruction, held against the zero-filled one of the same data; both: scores by metric."""
    return {WORSE_THAN_ZERO_FILLED: any(clean[name] < zero_filled[name] - tie for name, tie in _TIE.items())}


def raised(flags: dict[str, bool]) -> list[str]:
    """The names of those that hold, in the order in which they are explained."""
    return [name for name in FLAGS if flags.get(name, False)]


def not_checked(several: bool, checked: bool, restarts: int) -> list[str]:
    """Evidence that a run did not gather, a sentence each."""
    missing = []
    if not checked:
        missing += [
            "whether more steps find worse was judged by the last half of those taken; --check runs twice as many",
            "whether an attack without gradients finds worse was not tried; --check does",
        ]
        if restarts == 1:
            missing.append("whether other starts find worse was not tried; --check or --restarts does")
    if not several:
        missing.append("whether perturbations made for other methods do more harm was not tried; --victims does")
    return missing


def flag_across(rows: list[Row], losses: dict[tuple[str, str, float], float]) -> list[Row]:
    """The rows with the flags that need several rows of one image.

    losses: errors by the loss that the attack drives up, by source, victim and epsilon.
    """
    own = {(victim, eps): value for (source, victim, eps), value in losses.items() if source == victim}
    worse = set()
    for (victim, eps), value in own.items():
        if any(other == victim and e == eps and d > value for (_, other, e), d in losses.items()):
            worse.add(("transfer stronger", victim, eps))
        if any(other == victim and e < eps and d > value for (other, e), d in own.items()):
            worse.add(("not monotone", victim, eps))
    return [_with(row, {flag for flag, *of in worse if of == [row.victim, row.eps]}) for row in rows]


def _with(row: Row, found: set[str]) -> Row:
    """A method under its own attack with more flags."""
    if row.source != row.victim:
        return row
    return replace(row, flags=tuple(name for name in FLAGS if name in found or name in row.flags))


def _climbing(trace: np.ndarray) -> bool:
    """Whether the second half of the evaluations raised the best loss by more than `_GROWTH`."""
    half = (len(trace) + 1) // 2
    return bool(np.max(trace) > _GROWTH * np.max(trace[:half]))


def _helped(restarts: np.ndarray) -> bool:
    """Whether the last start beat all those before it by more than `_GROWTH`."""
    return bool(len(restarts) > 1 and restarts[-1] > _GROWTH * np.max(restarts[:-1]))
