"""Comparison of a published claim with records: numbers, intervals, and a verdict in one of five words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.findings.published import ABOVE, BELOW, Claim
from bench.plan.intervals import SURE, Interval, told

YES, NO, IN_PART, NOT_EXCLUDED, CANNOT_TELL = "yes", "no", "in part", "not excluded", "cannot tell"


def verdict(published: float | str, intervals: Sequence[Interval | None]) -> str:
    """Judge whether a claim holds for all subjects of the intervals, such as all methods or all data sets.

    - "yes": all are in the published direction.
    - "no": each is on the other side, or excludes the published value.
    - "not excluded": each interval holds the published value, or zero for a direction, so that the claim may be true.
    - "in part": they differ, for example if some do not move.
    - "cannot tell": no subject has a 95 % interval, or some have none and the others do not decide.

    Args:
        published: the value that each should have, or a direction, `ABOVE` or `BELOW`.
        intervals: an interval for each subject, or None.
    """
    return together(_of_one(published, one) for one in intervals)


def together(words: Iterable[str]) -> str:
    """Combine the verdicts on the single subjects of a claim."""
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
    """The number that decides a claim for one subject, such as one method or one data set.

    Attributes:
        name: name of the subject.
        value: the number, None if there is none.
        interval: its interval, None if not known.
        more: further numbers in words.
        published: the value that it should have, if each part has a different one.
    """

    name: str
    value: float | None
    interval: Interval | None
    more: str = ""
    published: float | None = None


class Judged(NamedTuple):
    """A claim with its parts.

    Attributes:
        claim: the claim.
        parts: its parts.
        images: smallest number of images of a part.
    """

    claim: Claim
    parts: Sequence[Part]
    images: int

    def expected(self, part: Part) -> float | str:
        """Return the published value or direction for a part."""
        expected = self.claim.expected if part.published is None else part.published
        assert expected is not None, "a claim without a value has one for each part"
        return expected

    def word(self, part: Part) -> str:
        """Return the verdict on one part."""
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
        """Return the claim and its verdict, to print beside a finding.

        Args:
            detail: detail of the published result, or "".
        """
        source = f"{self.claim.source}; {detail}" if detail else self.claim.source
        return f"published, that {self.claim.words} ({source}): {self.verdict}"
