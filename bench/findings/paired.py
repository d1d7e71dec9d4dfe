"""Image-by-image comparison of runs on the same images, so that the difficulty of an image cancels."""

from __future__ import annotations

import itertools
import statistics
from typing import NamedTuple

from bench.findings.markdown import table
from bench.plan.errors import InputFileError
from bench.plan.intervals import meaning, of_mean, told
from bench.record.record import Record, mean_if_known
from bench.record.rows import STATES
from jaxcs.names import printable

_FORMATS = {"psnr": "{:.2f}", "ssim": "{:.3f}"}


class Run(NamedTuple):
    """A method under its own attack, from a run's records.

    Attributes:
        label: name of the method, with its settings.
        rows: (case, eps, metric) -> scores: clean, noise, attacked, and zero_filled unless the record is older.
        volumes: volume of each case.
    """

    label: str
    rows: dict[tuple[str, float, str], dict[str, float]]
    volumes: dict[str, str]

    @property
    def cases(self) -> set[str]:
        """The images that did not fail."""
        return {case for case, _, _ in self.rows}


def runs_of(record: Record) -> list[Run]:
    """Return a Run for each method of a record, under its own attack."""
    rows = [row for row in record.rows if row.source == row.victim]
    keyed: dict[str, dict[tuple[str, float, str], dict[str, float]]] = {}
    for row in rows:
        at = (row.case, row.eps, row.metric)
        scores: dict[str, float] = {state: row.score(state) for state in STATES}
        if row.zero_filled is not None:
            scores = {"zero_filled": row.zero_filled} | scores
        keyed.setdefault(row.victim, {})[at] = scores
    volumes = {row.case: row.volume for row in rows}
    chosen = record.run.config.get("settings", {}) if len(keyed) == 1 else {}
    settings = " ".join(f"{name}={value}" for name, value in chosen.items())
    return [Run(printable(f"{label} {settings}".strip()), found, volumes) for label, found in keyed.items()]


def values(run: Run, cases: list[str], eps: float, metric: str, state: str) -> list[float]:
    """Return a metric of the images in one state: clean, noise or attacked."""
    return [run.rows[case, eps, metric][state] for case in cases]


def differences(better: Run, worse: Run, cases: list[str], eps: float, metric: str, state: str) -> list[float]:
    """Return by how much one run scores higher than another, image by image."""
    pairs = zip(values(better, cases, eps, metric, state), values(worse, cases, eps, metric, state), strict=True)
    return [one - other for one, other in pairs]


def volumes_of(runs: list[Run], cases: list[str]) -> set[int]:
    """Return the number of volumes of the images, in each run."""
    return {len({run.volumes[case] for case in cases}) for run in runs}


def zero_filled(run: Run, cases: list[str], eps: float, metric: str) -> float | None:
    """Return the mean score of the zero-filled images, None if the record has none."""
    return mean_if_known([run.rows[case, eps, metric].get("zero_filled") for case in cases])


def markdown(runs: list[Run], eps: list[float]) -> str:
    """Format tables of each run's means, and of the differences between each run and the next.

    Raises:
        InputFileError: the runs share no image, or lack an epsilon.
    """
    cases = sorted(set.intersection(*(run.cases for run in runs)))
    if not cases:
        raise InputFileError("the runs share no image; compare runs on the same data")
    for run in runs:
        missing = [value for value in eps if (cases[0], value, "psnr") not in run.rows]
        if missing:
            raise InputFileError(f"{run.label}: has no epsilon {missing[0]:g}; choose others by --eps")
    heads = ["clean", *(f"{state} {value:g}" for value in eps for state in ("noise", "attacked"))]
    columns = [("clean", eps[0]), *((state, value) for value in eps for state in ("noise", "attacked"))]
    rows = []
    for run in runs:
        cells = [
            " / ".join(
                style.format(statistics.fmean(values(run, cases, value, metric, state)))
                for metric, style in _FORMATS.items()
            )
            for state, value in columns
        ]
        least = [(zero_filled(run, cases, eps[0], metric), style) for metric, style in _FORMATS.items()]
        least_told = " / ".join("-" if value is None else style.format(value) for value, style in least)
        rows.append([run.label, least_told, *cells])
    means = f"Means over {len(cases)} images, PSNR [dB] / SSIM.\n\n{table(['method', 'zero-filled', *heads], rows)}"
    if len(runs) == 1:
        return means
    rows = []
    for better, worse in itertools.pairwise(runs):
        volumes = [better.volumes[case] for case in cases]
        cells = [
            _interval(differences(better, worse, cases, value, "ssim", state), volumes) for state, value in columns
        ]
        rows.append([f"{better.label} - {worse.label}", *cells])
    sure = meaning(volumes_of(runs, cases))
    about = f"SSIM of each method minus that of the next, image by image. {sure}"
    return "\n\n".join([means, about, table(["", *heads], rows)])


def _interval(found: list[float], volumes: list[str]) -> str:
    return told(statistics.fmean(found), of_mean(found, volumes), "{:+.3f}", brief=True)
