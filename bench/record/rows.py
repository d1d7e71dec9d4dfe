"""The lines of images.jsonl and searches.jsonl, typed: made, written and read here alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar

State = Literal["clean", "noise", "attacked"]
STATES: tuple[State, ...] = ("clean", "noise", "attacked")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One metric of one image: how `victim` scores under the perturbation that was made for `source`.

    zero_filled, clean, noise, attacked: the metric's values of the linear start, and of the method's on clean
    data, with noise of the perturbation's size, and under attack.  norm, norm_kspace: of the perturbation, relative.
    flags: names of `jaxcs.evidence.FLAGS`.  solver_error: distance from the minimiser, relative.  clamped: share
    of the network's input that is cut off, under attack and of clean data.  widened: how many times the distance from
    the data is allowed that was asked for, under attack; above 1 no image comes as near.
    certified: the worst value that any perturbation of this size leaves, for linear and for smoothed methods.
    certified_confidence: probability of this, over the draws of a smoothed method.
    None if the method has no such number, or the record is of a version that did not keep it.
    """

    case: str
    volume: str
    source: str
    victim: str
    attack: str
    eps: float
    metric: str
    zero_filled: float | None = None
    clean: float
    noise: float
    attacked: float
    norm: float | None = None
    norm_kspace: float | None = None
    flags: tuple[str, ...]
    solver_error_clean: float | None = None
    solver_error_noise: float | None = None
    solver_error_attacked: float | None = None
    clamped_clean: float | None = None
    clamped: float | None = None
    widened: float | None = None
    certified: float | None = None
    certified_confidence: float | None = None

    def score(self, state: State) -> float:
        """Return the metric's value in one of the states."""
        return {"clean": self.clean, "noise": self.noise, "attacked": self.attacked}[state]

    @property
    def solver_errors(self) -> list[float]:
        """Distances from the minimiser, of those states that have one."""
        errors = (self.solver_error_clean, self.solver_error_noise, self.solver_error_attacked)
        return [error for error in errors if error is not None]

    def line(self) -> dict[str, Any]:
        """Return the row as its file has it."""
        return _line(self, ("clamped_clean", "clamped", "widened", "certified", "certified_confidence"))


@dataclass(frozen=True, kw_only=True)
class SearchRow:
    """One search for a perturbation of one image, at one epsilon.

    trace: the loss at each gradient evaluation, None if it was not finite.  restarts: the best loss of each start.
    ssim: SSIM at evenly spaced values of the parameter from -eps to eps, as the angle, if all were visited.
    doubled, gradient_free, restarted: losses of the searches that check it.  noise: of noise, in older records.
    """

    case: str
    source: str
    attack: str
    eps: float
    trace: tuple[float | None, ...]
    restarts: tuple[float | None, ...] = ()
    ssim: tuple[float | None, ...] | None = None
    doubled: float | None = None
    gradient_free: float | None = None
    restarted: float | None = None
    noise: float | None = None

    @property
    def best(self) -> float:
        """The largest loss of the trace, 0 if there is none."""
        return max((loss for loss in self.trace if loss is not None), default=0.0)

    def line(self) -> dict[str, Any]:
        """Return the row as its file has it."""
        return _line(self, ("ssim", "doubled", "gradient_free", "restarted", "noise"))


def row_of(line: Mapping[str, Any]) -> Row:
    """Read a line of images.jsonl whose form has been checked; fields of newer versions are left out."""
    return _row(Row, line)


def search_of(line: Mapping[str, Any]) -> SearchRow:
    """Read a line of searches.jsonl whose form has been checked; fields of newer versions are left out."""
    return _row(SearchRow, line)


def read_rows(lines: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Read the results among checked lines of images.jsonl, without those of failed images."""
    return [row_of(line) for line in lines if "failed" not in line]


def results(folder: Path) -> list[Row]:
    """Read the rows of a run that has just been written or checked."""
    return read_rows(lines_of(folder / "images.jsonl"))


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a file of JSON that has just been written or checked."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


_Row = TypeVar("_Row", Row, SearchRow)


def _row(kind: type[_Row], line: Mapping[str, Any]) -> _Row:
    known: dict[str, Any] = {field.name: line[field.name] for field in fields(kind) if field.name in line}
    known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return kind(**known)


def _line(row: Row | SearchRow, optional: tuple[str, ...]) -> dict[str, Any]:
    """The fields in order, without fields of `optional` that are None."""
    return {name: value for name, value in asdict(row).items() if value is not None or name not in optional}
