"""Agreement in the order of two lists of numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bench.plan.intervals import FEWEST, SURE, Interval

_QUANTILE = 1.959964  # of the normal distribution, which Fisher's z approaches


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Compute Spearman's correlation: Pearson's of the ranks; equal values share a rank.

    Returns:
        The correlation [-], or None if one list is constant.
    """
    ranks = [_ranks(np.asarray(values)) for values in (x, y)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def rank_interval(correlation: float | None, count: int) -> Interval | None:
    """Compute the 95 % interval of Spearman's correlation of independent pairs.

    The interval uses Fisher's z with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright (Psychometrika 65:23,
    2000).  A perfect order is replaced by the nearest imperfect order, because z is infinite for it.  In simulations of
    normal pairs, the interval holds the true value in 93 to 99 % of cases from n = 5 on, for correlations up to 0.95.
    With four pairs, no order is rare enough by chance: 2 of 24 orders are perfect.

    Args:
        correlation: the correlation, or None.
        count: number of pairs.

    Returns:
        The interval, or None if the correlation is None or there are fewer than 5 pairs.
    """
    if correlation is None or count < FEWEST:
        return None
    least = 12 / (count**3 - count)  # the change of r if two neighbours swap places
    inside = min(max(correlation, least - 1), 1 - least)
    half = _QUANTILE * math.sqrt((1 + inside**2 / 2) / (count - 3))
    low, high = math.tanh(math.atanh(inside) - half), math.tanh(math.atanh(inside) + half)
    return Interval(min(low, correlation), max(high, correlation), SURE, count)


def told(correlation: float | None, count: int) -> str:
    """Format a correlation for a sentence: "0.71 (95 %: 0.10 to 0.93)", or that it cannot be told."""
    if correlation is None:
        return "none"
    interval = rank_interval(correlation, count)
    sure = "too few to tell" if interval is None else f"95 %: {interval.low:.2f} to {interval.high:.2f}"
    return f"{correlation:.2f} ({sure})"


def _ranks(values: np.ndarray) -> np.ndarray:
    """Twice the mean rank, less a constant."""
    ordered = np.sort(values)
    return ordered.searchsorted(values, "left") + ordered.searchsorted(values, "right")
