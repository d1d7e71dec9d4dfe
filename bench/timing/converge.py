"""The number of iterations until a solver is near its own solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LIMIT = 1000  # the image after so many iterations counts as the solution
TOLERANCE = 1e-3
_FIRST = 16


def nrmse(image: np.ndarray, reference: np.ndarray) -> float:
    """Return ||image - reference|| / ||reference|| of complex images [-]."""
    return float(np.linalg.norm(image - reference) / np.linalg.norm(reference))


def smallest(distance: Callable[[int], float], limit: int = LIMIT, tolerance: float = TOLERANCE) -> int:
    """Find the smallest k in 1..limit with distance(k) <= tolerance, by doubling and then bisection.

    Args:
        distance: function of k that stays small from some k on.  If it rises again, the result is one crossing of the
            tolerance.  It is never called at `limit`, where the distance is 0 by definition.
        limit: largest number of iterations.
        tolerance: largest distance that counts as near [-].
    """
    low, high = 0, min(_FIRST, limit)
    while high < limit and distance(high) > tolerance:
        low, high = high, min(2 * high, limit)
    while high - low > 1:
        middle = (low + high) // 2
        if distance(middle) <= tolerance:
            high = middle
        else:
            low = middle
    return high
