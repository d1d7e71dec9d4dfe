"""Criteria by which a user accepts a method, such as psnr_loss<3."""

from __future__ import annotations

import math
import operator
import re
from typing import NamedTuple

from bench.plan.scores import METRICS, Metric, decimals_of
from jaxcs.names import did_you_mean

# The name of what an attack costs: psnr_loss is the PSNR on clean data minus that under attack.
_LOSS = "_loss"
_FORM = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\S+)\s*")
_MOST_DECIMALS = 17
_COMPARISONS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Criterion(NamedTuple):
    """A bound that every result of a run has to keep.

    Attributes:
        metric: the metric, as records name it.
        lost: whether the bound is on what the attack costs, otherwise on the score under attack.
        comparison: "<", "<=", ">" or ">=".
        bound: the bound.
    """

    metric: str
    lost: bool
    comparison: str
    bound: float

    @property
    def text(self) -> str:
        """The criterion as --accept takes it."""
        return self.words.replace(" ", "")

    @property
    def words(self) -> str:
        """The criterion for people."""
        return f"{self.metric}{_LOSS * self.lost} {self.comparison} {repr(self.bound).removesuffix('.0')}"

    @property
    def above(self) -> bool:
        """Whether larger values are better."""
        return self.comparison in (">", ">=")

    def value(self, clean: float, attacked: float) -> float:
        """Return the number that is judged: by how much the attack makes the metric worse, or the attacked score."""
        if not self.lost:
            return attacked
        return clean - attacked if METRICS[self.metric].better else attacked - clean

    def met(self, value: float) -> bool:
        """Return whether a value keeps the bound."""
        return bool(_COMPARISONS[self.comparison](value, self.bound))

    def told(self, value: float) -> str:
        """Return a value with its unit, with more decimals if it would otherwise seem to be on the other side."""
        decimals = decimals_of(self.metric)
        text = f"{value:z.{decimals}f}"
        while self.met(float(text)) != self.met(value) and decimals < _MOST_DECIMALS:
            decimals += 1
            text = f"{value:z.{decimals}f}"
        return f"{text} {METRICS[self.metric].unit}".rstrip()


def parse(text: str) -> Criterion:
    """Read a criterion.

    Args:
        text: METRIC or METRIC_loss, a comparison, and a number: "psnr_loss<3".

    Raises:
        ValueError: it is none, with the reason and the remedy.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no criterion; write metric, comparison and number in quotes, as in 'psnr_loss<3'"
        )
    name, comparison, number = found.groups()
    names = [*METRICS, *(metric + _LOSS for metric in METRICS)]
    if name not in names:
        raise ValueError(f"unknown metric {name!r}{did_you_mean(name, names)}")
    try:
        bound = float(number)
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise ValueError(f"{text!r}: {number!r} is no number")
    lost = name.endswith(_LOSS)
    made = Criterion(name.removesuffix(_LOSS) if lost else name, lost, comparison, bound)
    wanted = METRICS[made.metric].better and not lost
    if made.above != wanted:
        turned = comparison.translate(str.maketrans("<>", "><"))
        raise ValueError(f"{text!r} asks for {_reason(METRICS[made.metric], lost)}; write {name}{turned}{number}")
    return made


def _reason(metric: Metric, lost: bool) -> str:
    """Why a bound is on the wrong side."""
    if lost:
        return "a large loss"
    return "a poor score" if metric.better else "a large error"
