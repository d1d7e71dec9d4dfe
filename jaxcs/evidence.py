"""Objections to an attack's result, computed from the result itself."""

from __future__ import annotations

from typing import Any

import numpy as np

# Fraction of cut-off input pixels above which a result is flagged: the gradient does not see these pixels.
_CLAMPED = 0.01
# Factor by which more work must raise the loss before the search counts as not finished.
_GROWTH = 1.02
# Largest relative distance of a solver's image from its minimiser that counts as converged [-].
CONVERGED = 1e-3
# A smaller difference is a tie: two programs that compute the same image differ by as much.
_TIE = {"psnr": 0.005, "ssim": 0.0005}
# Rounding errors of an attack may leave its set by this share.
_ROUNDING = 1e-3

WORSE_THAN_ZERO_FILLED, WORSE_THAN_FBP, BELOW_ITS_CARD = "worse than zero-filled", "worse than FBP", "below its card"
# Objections to a result, with their meaning.
FLAGS = {
    "zero gradient": "the attack saw a gradient of exactly zero, so that it was blind",
    "gradient overflow": "the attack's gradient was not finite, as through a long, chaotic fit, so that it was blind",
    "below noise": "the attack was no stronger than noise of equal norm",
    "not converged": "twice the steps changed the attack's loss by over 2 %, so that more of them would find worse",
    "restarts help": "further starts found a loss over 2 % larger, so that more of them would find worse",
    "gradient-free stronger": "an attack without gradients found worse, so that the gradients mislead",
    "transfer stronger": "a perturbation made for another method did more harm than the method's own",
    "not monotone": "a smaller epsilon did more harm, so that the attack missed a perturbation that it was allowed",
    "input clamped": "over a hundredth of the network's input was cut off at its bounds, where the gradient is blind",
    "randomised": "the method drew at random what the attack did not know: its gradients are of another draw",
    "maps leave out": "the coil maps leave out over a tenth of the energy of the measured centre, which an image "
    "through them cannot show",
    "solver not converged": "the method's solver stopped over a thousandth short of its minimum, so that the image is "
    "that of an iteration and not of the method",
    "budget exceeded": "the attack left its threat set, and what it returned was scaled back before it was scored",
    WORSE_THAN_ZERO_FILLED: "its clean PSNR or SSIM is below the zero-filled image's: weights, scale or crop?",
    WORSE_THAN_FBP: "its clean PSNR or SSIM is below that of filtered back-projection: weights, scale or views?",
    BELOW_ITS_CARD: "its clean score is clearly below that on the card of its weights: weights, scale or crop?",
}
# Flags of the clean image, whatever the attack.
CLEAN_FLAGS = (WORSE_THAN_ZERO_FILLED, WORSE_THAN_FBP, BELOW_ITS_CARD)


def search_flags(eps: float, found: Any, checks: dict[str, float]) -> dict[str, bool]:
    """Compute the flags of one search at one epsilon.

    Args:
        eps: the epsilon.
        found: the result of the search, see `jaxcs.evaluate.Found`.
        checks: losses that the checking attacks found, by the name of the check.

    Returns:
        True for raised flags, False for others, by name; empty at epsilon 0.
    """
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
    """Compute the flags of one reconstruction.

    Args:
        eps: the epsilon.
        attacked: loss under attack.
        noise: loss under noise.
        clamped: fraction of the network's input that was cut off [-].
        randomised: whether the method draws at random after the attack.
        maps_leave_out: whether the coil maps leave out too much of the object.

    Returns:
        True for raised flags, False for others, by name; empty at epsilon 0.
    """
    if eps == 0:
        return {}
    return {
        "below noise": attacked <= noise,
        "input clamped": clamped > _CLAMPED,
        "randomised": randomised,
        "maps leave out": maps_leave_out,
    }


def clean_flags(clean: dict[str, float], start: dict[str, float], *, sinogram: bool = False) -> dict[str, bool]:
    """Compute the flags of a clean reconstruction.

    Args:
        clean: its scores by metric.
        start: scores of the linear start of the same data, by metric: of the zero-filled image, or of filtered
            back-projection.
        sinogram: whether the data are a sinogram.
    """
    worse = any(clean[name] < start[name] - tie for name, tie in _TIE.items())
    return {WORSE_THAN_FBP if sinogram else WORSE_THAN_ZERO_FILLED: worse}


def raised(flags: dict[str, bool]) -> list[str]:
    """Return the names of the raised flags, in the order of `FLAGS`."""
    return [name for name in FLAGS if flags.get(name, False)]


def _climbing(trace: np.ndarray) -> bool:
    """True if the second half of the evaluations raised the best loss by more than `_GROWTH`."""
    half = (len(trace) + 1) // 2
    return bool(np.max(trace) > _GROWTH * np.max(trace[:half]))


def _helped(restarts: np.ndarray) -> bool:
    """True if the last start beat all starts before it by more than `_GROWTH`."""
    return bool(len(restarts) > 1 and restarts[-1] > _GROWTH * np.max(restarts[:-1]))
