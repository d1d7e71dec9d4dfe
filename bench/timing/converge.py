"""How many iterations a solver needs until it is near its own solution."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

LIMIT = 1000  # iterations that stand for the solution
TOLERANCE = 1e-3
_FIRST = 16


def nrmse(image: np.ndarray, reference: np.ndarray) -> float:
    """||image - reference|| / ||reference||, of complex images."""
    return float(np.linalg.norm(image - reference) / np.linalg.norm(reference))


def smallest(distance: Callable[[int], float], limit: int = LIMIT, tolerance: float = TOLERANCE) -> int:
    """The smallest k in 1..limit with distance(k) <= tolerance, by doubling and then halving the interval.

    distance: of k, small from some k on; where it comes and goes, the k is one at which it comes.  That of `limit` is
    0 by definition and is never asked for.
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
