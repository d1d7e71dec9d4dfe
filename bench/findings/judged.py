"""A published claim with what records say of it: numbers, intervals, and a verdict in one of five words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.findings.published import ABOVE, BELOW, Claim
from bench.plan.intervals import SURE, Interval, told

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


class Part(NamedTuple):
    """The number by which a claim is judged in one respect, such as for one method or one data set.

    value: the claim's number, None if there is none.  interval: about it, None if it cannot be told.
    more: what belongs beside it, in words.  published: the value that it should have, if each part has its own.
    """

    name: str
    value: float | None
    interval: Interval | None
    more: str = ""
    published: float | None = None


class Judged(NamedTuple):
    """A claim, its parts, and the least number of images that a part is about."""

    claim: Claim
    parts: Sequence[Part]
    images: int

    def expected(self, part: Part) -> float | str:
        """What was published of a part: a value or a direction."""
        expected = self.claim.expected if part.published is None else part.published
        assert expected is not None, "a claim without a value has one for each part"
        return expected

    def word(self, part: Part) -> str:
        """The verdict on one part."""
        return verdict(self.expected(part), [part.interval])

    @property
    def verdict(self) -> str:
        """The verdict on the claim, in one of five words."""
        return together(self.word(part) for part in self.parts)

    @property
    def by_word(self) -> dict[str, list[str]]:
        """The names of the parts by the verdict on them."""
        found: dict[str, list[str]] = {}
        for part in self.parts:
            found.setdefault(self.word(part), []).append(part.name)
        return found

    @property
    def numbers(self) -> list[str]:
        """The number of each part with its interval."""
        return [
            "none" if part.value is None else told(part.value, part.interval, self.claim.style) for part in self.parts
        ]

    def beside(self, detail: str = "") -> str:
        """What is said of the claim beside a finding; detail: of what was published."""
        source = f"{self.claim.source}; {detail}" if detail else self.claim.source
        return f"published, that {self.claim.words} ({source}): {self.verdict}"
