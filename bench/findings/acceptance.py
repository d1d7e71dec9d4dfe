"""The verdict on a run by the criteria of its user: every image at every epsilon has to keep them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from bench.plan.criteria import Criterion, parse
from bench.plan.errors import DONE, SOME_FAILED, InputFileError
from bench.record.record import Record
from bench.record.rows import Row
from jaxcs.names import printable

MET, NOT, NONE = "met", "not met", "no verdict"
# Said beside every verdict.
MEANING = (
    "Each image at each epsilon is judged, for each method under each perturbation of the run, and no mean. A missed "
    "criterion is certain. A kept criterion holds for the perturbations that were found; a better attack may exist."
)


class Verdict(NamedTuple):
    """The verdict by one criterion.

    Attributes:
        criterion: the criterion.
        outcome: `MET`, `NOT`, or `NONE` if images failed and no other misses it.
        worst: the result that is nearest to the bound, or furthest beyond it.
        value: its number.
        missed: number of results that miss the criterion.
        total: number of results.
        failed: number of images that failed.
        flagged: number of results with flags, which speak against their numbers.
    """

    criterion: Criterion
    outcome: str
    worst: Row
    value: float
    missed: int
    total: int
    failed: int
    flagged: int

    @property
    def head(self) -> str:
        """The criterion and the outcome."""
        return f"{self.criterion.words}: {self.outcome}"

    @property
    def reason(self) -> str:
        """The rest of the sentence, with the worst result."""
        failed = f"{self.failed} image{'s' * (self.failed > 1)} failed"
        how = {
            MET: f" in all {self.total} results" if self.total > 1 else " in the only result",
            NOT: f" in {self.missed} of {self.total} results",
            NONE: f", because {failed}, although the others keep it",
        }[self.outcome]
        row = self.worst
        under = "its own attack" if row.source == row.victim else f"the perturbation made for {row.source}"
        flagged = f"; {self.flagged} of these results carry flags" if self.flagged else ""
        worst = f"{self.criterion.told(self.value)}, {printable(row.case)} at epsilon {row.eps:g}"
        return f"{how}; the worst is {worst}, {row.victim} under {under}{flagged}."

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        return self.head + self.reason

    def content(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it."""
        row = self.worst
        worst = {"image": row.case, "epsilon": row.eps, "method": row.victim, "made_for": row.source}
        return {
            "criterion": self.criterion.text,
            "verdict": self.outcome,
            "worst": worst | {"value": self.value},
            "missed": self.missed,
            "results": self.total,
            "failed_images": self.failed,
            "flagged": self.flagged,
        }


def verdicts(record: Record, criteria: Iterable[Criterion] | None = None) -> list[Verdict]:
    """Judge a finished run.

    Args:
        record: the run.
        criteria: the criteria; those that the run was begun with if None.

    Raises:
        InputFileError: the run does not have the metric of a criterion.
    """
    chosen = map(parse, record.run.accept or ()) if criteria is None else criteria
    return [_verdict(record, one) for one in chosen]


def code_of(found: Iterable[Verdict]) -> int:
    """Return the exit code of a command that gives these verdicts."""
    return DONE if all(one.outcome == MET for one in found) else SOME_FAILED


def _verdict(record: Record, criterion: Criterion) -> Verdict:
    rows = record.select(metric=criterion.metric)
    if not rows:
        raise InputFileError(
            f"{record.folder}: has no {criterion.metric}, by which --accept {criterion.text} judges; it has "
            f"{', '.join(record.names('metric'))}"
        )
    values = [criterion.value(row.clean, row.attacked) for row in rows]
    value = min(values) if criterion.above else max(values)
    missed = sum(not criterion.met(one) for one in values)
    outcome = NOT if missed else NONE if record.run.failed else MET
    flagged = sum(bool(row.flags) for row in rows)
    return Verdict(
        criterion, outcome, rows[values.index(value)], value, missed, len(rows), len(record.run.failed), flagged
    )
