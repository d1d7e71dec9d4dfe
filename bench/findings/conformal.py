"""A conformal lower bound of a score from one run, and the share of another run's volumes that keep it."""

from __future__ import annotations

import math

import numpy as np

from bench.findings.markdown import table
from bench.plan.errors import UsageError
from bench.record.forms import shown
from bench.record.record import Record
from bench.record.rows import Row, State
from jaxcs.measures.conformal import calibrate, coverage

_STYLES = {"psnr": "{:.2f}", "ssim": "{:.3f}", "haarpsi": "{:.3f}"}


def covered(calibration: Record, run: Record, metric: str, confidence: float) -> str:
    """Make the table of bounds and coverage, a line for each method that both runs have.

    Slices of a volume are alike.  So a volume counts once, by its worst slice, and the bound holds for all slices of a
    new volume together.

    Args:
        calibration: the run whose clean scores give the bound.
        run: the run whose volumes are held against it.
        metric: name of a score of which larger is better.
        confidence: probability with which a new volume is above the bound.

    Raises:
        UsageError: the runs share a volume or no method, or the calibration has too few volumes.
    """
    shared = {row.volume for row in calibration.rows} & {row.volume for row in run.rows}
    if shared:
        raise UsageError(
            f"{run.folder}: has {shown(min(shared))}, as has {calibration.folder}; give runs of different volumes"
        )
    methods = [name for name in calibration.names("victim") if run.select(victim=name, source=name, metric=metric)]
    if not methods:
        raise UsageError(f"{run.folder}: has no {metric} of a method of {calibration.folder}; give runs of one method")
    eps = run.eps
    heads = ["method", f"{metric} at least", "volumes", "clean"]
    heads += [f"{state} {value:g}" for value in eps for state in ("noise", "attacked")]
    return table(heads, [_line(calibration, run, name, metric, confidence) for name in methods])


def _line(calibration: Record, run: Record, method: str, metric: str, confidence: float) -> list[str]:
    known = _worst(_own(calibration, method, metric, calibration.eps[0]), "clean")
    margin = calibrate(np.zeros(len(known)), known, confidence)
    if math.isinf(margin.margin):
        least = math.ceil(confidence / (1 - confidence) - 1e-9)
        raise UsageError(
            f"{calibration.folder}: has {len(known)} volumes of {method}; a bound with confidence {confidence:g} needs "
            f"{least}"
        )

    def share(rows: list[Row], state: State) -> str:
        worst = _worst(rows, state)
        return f"{coverage(margin, np.zeros(len(worst)), worst):.0%} of {len(worst)}"

    cells = [share(_own(run, method, metric, run.eps[0]), "clean")]
    states: tuple[State, ...] = ("noise", "attacked")
    cells += [share(_own(run, method, metric, value), state) for value in run.eps for state in states]
    return [method, _STYLES[metric].format(-margin.margin), str(len(known)), *cells]


def _own(record: Record, method: str, metric: str, eps: float) -> list[Row]:
    """The rows of a method under its own attack, at one epsilon."""
    return record.select(source=method, victim=method, metric=metric, eps=eps)


def _worst(rows: list[Row], state: State) -> np.ndarray:
    """The score of the worst slice of each volume."""
    volumes: dict[str, float] = {}
    for row in rows:
        volumes[row.volume] = min(row.score(state), volumes.get(row.volume, math.inf))
    return np.array(list(volumes.values()))
