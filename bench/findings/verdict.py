"""The verdict of numbers on a published claim, in one of five words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bench.findings.published import ABOVE, BELOW
from bench.plan.intervals import SURE, Interval

YES, NO, IN_PART, NOT_EXCLUDED, CANNOT_TELL = "yes", "no", "in part", "not excluded", "cannot tell"


def verdict(published: float | str, intervals: Sequence[Interval | None]) -> str:
    """Whether a claim holds of all things that the intervals are about, such as all methods or all data sets.

    published: the value that each of them should have, or a direction, `ABOVE` or `BELOW`.

    "yes": all are in the published direction.  "no": each is on its other side, or excludes the published value.
    "not excluded": each holds the published value, or zero, so that it may be and need not be as published.
    "in part": they differ, as when some do not move.  "cannot tell": there is no 95 % interval for any, or none of
    those that there are tells and others are missing.
    """
    return together(_of_one(published, one) for one in intervals)


def together(words: Iterable[str]) -> str:
    """The verdict of several, each on one of the things that a claim is about."""
    different = set(words)
    if len(different) == 1:
        return different.pop()
    return IN_PART if different & {YES, NO} else CANNOT_TELL


def _of_one(published: float | str, interval: Interval | None) -> str:
    if interval is None or interval.kind != SURE:
        return CANNOT_TELL
    if published not in (ABOVE, BELOW):
        return NO if interval.excludes(float(published)) else NOT_EXCLUDED
    if not interval.excludes(0.0):
        return NOT_EXCLUDED
    return YES if (interval.low > 0) == (published == ABOVE) else NO
