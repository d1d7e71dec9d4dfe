"""A conformal lower bound of a score from one run, and the share of other runs' volumes that keep it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bench.findings.judged import Judged, Part
from bench.findings.markdown import table
from bench.findings.published import COVERAGE
from bench.plan.errors import UsageError
from bench.plan.intervals import as_json, of_share
from bench.plan.scores import style_of
from bench.record.forms import shown
from bench.record.record import Record
from bench.record.rows import Row, State
from jaxcs.measures.conformal import Calibration, calibrate, coverage

# States of a volume under a perturbation.
_PERTURBED: tuple[State, ...] = ("noise", "attacked")


class Share(NamedTuple):
    """The volumes of a run that keep a bound.

    Attributes:
        run: name of the run.
        method: the method.
        state: "clean", "noise" or "attacked".
        eps: size of the perturbation, 0 for clean data.
        kept: number of volumes whose worst slice is above the bound.
        volumes: number of all volumes.
    """

    run: str
    method: str
    state: str
    eps: float
    kept: int
    volumes: int


class Covered(NamedTuple):
    """Bounds from a calibration, and how many volumes of other runs keep them.

    Attributes:
        metric: the score that is bounded.
        confidence: probability with which a new volume of the same distribution is above the bound [-].
        bounds: the lower bound of each method, and the number of volumes that it was calibrated on.
        shares: the volumes that keep the bounds.
    """

    metric: str
    confidence: float
    bounds: dict[str, tuple[float, int]]
    shares: list[Share]

    def record(self) -> dict[str, Any]:
        """Return all as JSON can hold it."""
        return {
            "metric": self.metric,
            "confidence": self.confidence,
            "bounds": {name: {"bound": bound, "volumes": count} for name, (bound, count) in self.bounds.items()},
            "coverage": [
                share._asdict() | {"interval": as_json(of_share(share.kept, share.volumes))} for share in self.shares
            ],
        }


def covered(calibration: Record, runs: Sequence[Record], metric: str, confidence: float) -> Covered:
    """Count the volumes that keep the bounds, for each method that calibration and runs have.

    Slices of a volume are alike.  So a volume counts once, by its worst slice, and the bound holds for all slices of a
    new volume together.

    Args:
        calibration: the run whose clean scores give the bound.
        runs: the runs whose volumes are held against it.
        metric: name of a score of which larger is better.
        confidence: probability with which a new volume is above the bound.

    Raises:
        UsageError: runs share a name, runs share a volume or no method with the calibration, or it has too few volumes.
    """
    bounds: dict[str, Calibration] = {}
    shares: list[Share] = []
    names = [_named(run) for run in runs]
    for run, name in zip(runs, names, strict=True):
        if names.count(name) > 1:
            raise UsageError(f"{run.folder}: {name} stands for several runs in the table; give each another --name")
        methods = _methods(calibration, run, metric)
        for name in methods:
            bounds.setdefault(name, _calibrated(calibration, name, metric, confidence))
            shares += _shares(run, name, metric, bounds[name])
    found = {name: (float(one.bound(0.0)), one.n) for name, one in bounds.items()}
    return Covered(metric, confidence, found, shares)


def _named(run: Record) -> str:
    return run.run.name or run.folder.resolve().name


def _methods(calibration: Record, run: Record, metric: str) -> list[str]:
    shared = {row.volume for row in calibration.rows} & {row.volume for row in run.rows}
    if shared:
        raise UsageError(
            f"{run.folder}: has {shown(min(shared))}, as has {calibration.folder}; give runs of different volumes"
        )
    methods = [name for name in calibration.names("victim") if run.select(victim=name, source=name, metric=metric)]
    if not methods:
        raise UsageError(f"{run.folder}: has no {metric} of a method of {calibration.folder}; give runs of one method")
    return methods


def _calibrated(calibration: Record, method: str, metric: str, confidence: float) -> Calibration:
    known = _worst(_own(calibration, method, metric, calibration.eps[0]), "clean")
    made = calibrate(np.zeros(len(known)), known, confidence)
    if math.isinf(made.margin):
        least = math.ceil(confidence / (1 - confidence) - 1e-9)
        raise UsageError(
            f"{calibration.folder}: has {len(known)} volumes of {method}; a bound with confidence {confidence:g} needs "
            f"{least}"
        )
    return made


def _shares(run: Record, method: str, metric: str, bound: Calibration) -> list[Share]:
    def share(eps: float, state: State) -> Share:
        worst = _worst(_own(run, method, metric, eps), state)
        kept = round(coverage(bound, np.zeros(len(worst)), worst) * len(worst))
        return Share(_named(run), method, state, 0.0 if state == "clean" else eps, kept, len(worst))

    perturbed = [share(eps, state) for eps in run.eps if eps > 0 for state in _PERTURBED]
    return [share(run.eps[0], "clean"), *perturbed]


def markdown(found: Covered) -> str:
    """Make the table of bounds and coverage, a line for each method and run."""
    at = {(share.run, share.method, share.state, share.eps): share for share in found.shares}
    sizes = sorted({share.eps for share in found.shares if share.eps > 0})
    states = [("clean", 0.0), *((state, eps) for eps in sizes for state in _PERTURBED)]
    heads = ["method", f"{found.metric} at least", "calibrated on", "volumes of"]
    heads += [state if state == "clean" else f"{state} {eps:g}" for state, eps in states]
    lines = []
    for run, method in dict.fromkeys((share.run, share.method) for share in found.shares):
        bound, count = found.bounds[method]
        cells = [method, style_of(found.metric).format(bound), str(count), run]
        lines.append([*cells, *(_told(at.get((run, method, *state))) for state in states)])
    return table(heads, lines)


def _told(share: Share | None) -> str:
    if share is None:
        return ""
    interval = of_share(share.kept, share.volumes)
    return f"{share.kept} of {share.volumes} ({100 * interval.low:.0f} to {100 * interval.high:.0f} %)"


def judged(record: dict[str, Any]) -> list[Judged]:
    """Judge the claim that a bound keeps its confidence, by the record of `Covered.record`."""
    confidence, parts = record["confidence"], []
    for one in record["coverage"]:
        interval = of_share(one["kept"], one["volumes"])
        state = one["state"] if one["state"] == "clean" else f"{one['state']} {one['eps']:g}"
        parts.append(
            Part(
                f"{one['method']}, {one['run']}, {state}",
                one["kept"] / one["volumes"] - confidence,
                interval._replace(low=interval.low - confidence, high=interval.high - confidence),
                f"{one['kept']} of {one['volumes']} keep {confidence:g}",
            )
        )
    return [Judged(COVERAGE, parts, min(one["volumes"] for one in record["coverage"]))] if parts else []


def _own(record: Record, method: str, metric: str, eps: float) -> list[Row]:
    """The rows of a method under its own attack, at one epsilon."""
    return record.select(source=method, victim=method, metric=metric, eps=eps)


def _worst(rows: list[Row], state: State) -> np.ndarray:
    """The score of the worst slice of each volume."""
    volumes: dict[str, float] = {}
    for row in rows:
        volumes[row.volume] = min(row.score(state), volumes.get(row.volume, math.inf))
    return np.array(list(volumes.values()))
