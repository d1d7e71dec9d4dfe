"""A published claim with what records say of it: numbers, intervals, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.findings.published import Claim
from bench.findings.verdict import together, verdict
from bench.plan.intervals import Interval, told


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
