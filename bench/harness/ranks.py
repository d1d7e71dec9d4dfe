"""Whether two lists of numbers have one order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def rank_correlation(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Spearman's: Pearson's of the ranks, equal values sharing theirs; None where one side is constant."""
    ranks = [_ranks(np.asarray(values)) for values in (x, y)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    """Twice the mean rank, less a constant."""
    ordered = np.sort(values)
    return ordered.searchsorted(values, "left") + ordered.searchsorted(values, "right")
