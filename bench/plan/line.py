"""The line through points by least squares, with intervals and R^2."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from bench.plan.intervals import CONFIDENCE, SURE, Interval


def line(x: Sequence[float], y: Sequence[float]) -> dict[str, float] | None:
    """Fit the line y = intercept + slope x by least squares.

    The interval is Student's with n - 2 degrees of freedom, from the points' scatter about the line.

    Returns:
        Slope, intercept, half of the 95 % interval of each, and R^2; None if there are fewer than three points or if
            all x are equal.
    """
    if len(x) < 3 or np.ptp(x) < 1e-9:
        return None
    fitted = stats.linregress(x, y)
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, len(x) - 2))
    return {
        "slope": float(fitted.slope),
        "slope_half": quantile * float(fitted.stderr),
        "intercept": float(fitted.intercept),
        "intercept_half": quantile * float(fitted.intercept_stderr),
        "r2": float(fitted.rvalue**2),
    }


def interval_of_slope(line: dict[str, float], count: int) -> Interval:
    """Return the interval of the slope of a `line` through `count` points."""
    slope, half = line["slope"], line["slope_half"]
    return Interval(slope - half, slope + half, SURE, count)
