"""Uncertainty of a mean: Student's 95 % interval over volumes, or the volumes' range if there are few.

Slices of one volume are not independent draws.  The standard error is therefore the cluster-robust one of Liang and
Zeger (Biometrika 73:13, 1986), with the volumes as clusters.  The quantile is Student's, with one degree of freedom
less than the number of volumes (Cameron and Miller, Journal of Human Resources 50:317, 2015).  With one slice per
volume, this is the textbook's t interval.  With the normal quantile, 1.96 standard errors, the interval of five volumes
would hold the true mean in 88 % of cases.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import betaincinv, stdtrit  # scipy.stats has the same functions and takes a second to import

# With fewer volumes, the spread is hardly known, and an interval would rest on it.
FEWEST = 5
SURE, RANGE = "95 %", "range"
CONFIDENCE = 0.95


class Interval(NamedTuple):
    """The uncertainty of a mean.

    Attributes:
        low: lower end.
        high: upper end.
        kind: `SURE` for a 95 % interval.  `RANGE` for the smallest and the largest of the volumes' means, which say how
            far apart volumes are, not how sure the mean is.
        volumes: number of volumes.
    """

    low: float
    high: float
    kind: str
    volumes: int

    def excludes(self, value: float) -> bool:
        """Return whether the interval excludes `value` as the mean; a range excludes nothing."""
        return self.kind == SURE and not self.low <= value <= self.high


def of_mean(values: Sequence[float], volumes: Sequence[str], confidence: float = CONFIDENCE) -> Interval | None:
    """Compute the interval of the mean of the values.

    Args:
        values: values, one per slice.
        volumes: the volume of each value.
        confidence: over 95 % for several intervals that must hold together.

    Returns:
        The interval, or None if all values are from one volume.
    """
    value = np.asarray(values, float)
    count = len(set(volumes))
    if count < 2:
        return None
    if count < FEWEST:
        means = means_by_volume(value, volumes)
        return Interval(min(means), max(means), RANGE, count)
    pulls = (value - value.mean()) / value.size
    return _student(float(value.mean()), _variance(pulls[:, None], volumes, count)[0, 0], count, confidence)


def of_difference(
    values: Sequence[float], volumes: Sequence[str], chosen: Sequence[bool], confidence: float = CONFIDENCE
) -> Interval | None:
    """Compute the interval of the mean of the chosen values minus the mean of the others.

    Slices of a volume may be on both sides.  Each value's contribution to the difference is summed by volume.  The
    number of volumes is that of the side with fewer; this is on the safe side of Welch's degrees of freedom.

    Args:
        values: values, one per slice.
        volumes: the volume of each value.
        chosen: whether each value is chosen.
        confidence: over 95 % for several intervals that must hold together.

    Returns:
        The interval.  None if a side is from one volume.  If a side has few volumes, the range from the smallest to the
        largest difference between volumes of the two sides.
    """
    value, mine = np.asarray(values, float), np.asarray(chosen, bool)
    sides = [[volume for volume, own in zip(volumes, mine, strict=True) if own == side] for side in (True, False)]
    count = min(len(set(side)) for side in sides)
    if count < 2:
        return None
    if count < FEWEST:
        one, other = (
            means_by_volume(value[mine == side], names) for side, names in zip((True, False), sides, strict=True)
        )
        return Interval(min(one) - max(other), max(one) - min(other), RANGE, count)
    mean = value[mine].mean() - value[~mine].mean()
    pulls = sum(
        sign * np.where(group, value - value[group].mean(), 0) / group.sum() for group, sign in ((mine, 1), (~mine, -1))
    )
    return _student(float(mean), _variance(np.asarray(pulls)[:, None], volumes, count)[0, 0], count, confidence)


def of_ratio(over: Sequence[float], under: Sequence[float], volumes: Sequence[str]) -> Interval | None:
    """Compute the interval of mean(over) / mean(under), by Fieller (J. R. Statist. Soc. B 16:175, 1954).

    Args:
        over: numerators, one per slice.
        under: denominators, one per slice.
        volumes: the volume of each slice.

    Returns:
        The interval.  None if all values are from one volume, or if the mean of `under` cannot be told from zero: the
            ratio may then have any value.
    """
    both = np.stack([np.asarray(over, float), np.asarray(under, float)], axis=1)
    count = len(set(volumes))
    if count < 2:
        return None
    if count < FEWEST:
        tops, bottoms = (means_by_volume(column, volumes) for column in both.T)
        if min(bottoms) <= 0:
            return None
        ratios = [top / bottom for top, bottom in zip(tops, bottoms, strict=True)]
        return Interval(min(ratios), max(ratios), RANGE, count)
    top, bottom = both.mean(axis=0)
    spread = quantile(count, CONFIDENCE) ** 2 * _variance((both - both.mean(axis=0)) / len(both), volumes, count)
    # The interval holds the ratios r for which top - r bottom is within its interval about zero.
    a, b, c = bottom**2 - spread[1, 1], top * bottom - spread[0, 1], top**2 - spread[0, 0]
    if not a > 0:
        return None
    root = math.sqrt(max(b**2 - a * c, 0.0))
    return Interval(float((b - root) / a), float((b + root) / a), SURE, count)


def of_share(kept: int, count: int, confidence: float = CONFIDENCE) -> Interval:
    """Compute the interval of a share of volumes (Clopper and Pearson, Biometrika 26:404, 1934).

    The interval is exact: it holds the true share with at least the confidence, for any number of volumes.

    Args:
        kept: number of volumes that count.
        count: number of all volumes, at least 1.
        confidence: confidence of the interval.

    Returns:
        The interval of the share [-].
    """
    tail = (1 - confidence) / 2
    low = float(betaincinv(kept, count - kept + 1, tail)) if kept else 0.0
    high = float(betaincinv(kept + 1, count - kept, 1 - tail)) if kept < count else 1.0
    return Interval(low, high, SURE, count)


def told(mean: float, interval: Interval | None, style: str, *, brief: bool = False) -> str:
    """Format a mean with its interval: "0.70 ± 0.02", "0.70 (0.61 to 0.75, range of 3 volumes)" or "0.70".

    Args:
        mean: the mean.
        interval: its interval, or None.
        style: format such as "{:.2f}".
        brief: whether to leave out the kind, as in a table with `meaning` in its caption.
    """
    text = style.format(mean)
    return text if interval is None else f"{text} {beside(mean, interval, style, brief=brief)}"


def beside(mean: float, interval: Interval, style: str, *, brief: bool = False) -> str:
    """Format the interval as `told` puts it behind a mean."""
    low, high = interval.low, interval.high
    plain = style.replace("+", "")
    if interval.kind == RANGE:
        ends = f"{style.format(low)} to {style.format(high)}"
        return f"({ends})" if brief else f"({ends}, range of {interval.volumes} volumes)"
    if abs(low + high - 2 * mean) <= 1e-6 * (high - low) + 1e-12:
        return f"± {plain.format((high - low) / 2)}"
    ends = f"{style.format(low)} to {style.format(high)}"
    return ends if brief else f"(95 %: {ends})"


def meaning(counts: Collection[int]) -> str:
    """Explain the intervals of a table, as a sentence for its caption.

    Args:
        counts: numbers of volumes of the means.
    """
    parts = []
    if any(count >= FEWEST for count in counts):
        parts.append("±: 95 %, Student's t over volumes")
    if any(1 < count < FEWEST for count in counts):
        parts.append(f"in brackets: the range of the volumes' means, as fewer than {FEWEST} have no 95 % interval")
    text = "; ".join(parts) or "one volume alone does not tell how sure a mean is"
    return f"{text[0].upper()}{text[1:]}."


def bars(mean: float, interval: Interval | dict[str, Any] | None) -> tuple[float, float]:
    """Return how far an error bar reaches below and above a mean; the interval may be a dict from JSON."""
    if interval is None:
        return 0.0, 0.0
    one = interval if isinstance(interval, Interval) else Interval(**interval)
    return max(mean - one.low, 0.0), max(one.high - mean, 0.0)


def as_json(interval: Interval | None) -> dict[str, Any] | None:
    """Return the interval as a record holds it."""
    return None if interval is None else interval._asdict()


def from_json(found: dict[str, Any] | None) -> Interval | None:
    """Read the interval that `as_json` wrote."""
    return None if found is None else Interval(**found)


def name_of(kinds: set[str]) -> str:
    """Return the name of a figure's bars, for one kind or both."""
    words = {SURE: "95 %", RANGE: "range of volumes"}
    return " or ".join(words[kind] for kind in (SURE, RANGE) if kind in kinds)


def means_by_volume(values: np.ndarray, volumes: Sequence[str]) -> list[float]:
    """Return the mean of each volume, in order of first appearance."""
    names = np.asarray(volumes)
    return [float(values[names == name].mean()) for name in dict.fromkeys(volumes)]


def quantile(count: int, confidence: float) -> float:
    """Return half of an interval over `count` volumes in standard errors, by Student's t."""
    return float(stdtrit(count - 1, (1 + confidence) / 2))


def _variance(pulls: np.ndarray, volumes: Sequence[str], count: int) -> np.ndarray:
    """(k, k) covariance of sums of contributions (n, k), summed first by volume; `count` is the number of clusters."""
    names = np.asarray(volumes)
    totals = np.array([pulls[names == name].sum(axis=0) for name in dict.fromkeys(volumes)])
    found: np.ndarray = count / (count - 1) * totals.T @ totals
    return found


def _student(mean: float, variance: float, count: int, confidence: float) -> Interval:
    half = quantile(count, confidence) * math.sqrt(variance)
    return Interval(mean - half, mean + half, SURE, count)
