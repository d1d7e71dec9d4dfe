"""Image-by-image comparison of runs on the same images, so that the difficulty of an image cancels."""

from __future__ import annotations

import itertools
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from bench.findings.latex import table as latex_table
from bench.findings.markdown import table as markdown_table
from bench.plan import linear_start
from bench.plan.errors import InputFileError
from bench.plan.intervals import meaning, of_mean, told
from bench.plan.scores import style_of
from bench.record.record import Record, mean_if_known
from bench.record.rows import STATES, Row
from bench.record.summary import as_csv, summarise
from jaxcs.names import printable

_FORMATS = {metric: style_of(metric) for metric in ("psnr", "ssim")}


class Run(NamedTuple):
    """A method under its own attack, from a run's records.

    Attributes:
        label: name of the method, with the name of the run or its settings.
        rows: (case, eps, metric) -> scores: clean, noise, attacked, and zero_filled unless the record is older.
        volumes: volume of each case.
        results: lines of images.jsonl.
        victim: name of the method in its record.
        weights: file of its weights, in words.
        folder: folder of the record.
        start: name of the linear start of its data.
    """

    label: str
    rows: dict[tuple[str, float, str], dict[str, float]]
    volumes: dict[str, str]
    results: list[Row]
    victim: str
    weights: str
    folder: Path
    start: str

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
    settings = record.run.config.get("settings", {}) if len(keyed) == 1 else {}
    told = " ".join(f"{name}={value}" for name, value in settings.items())
    if record.run.name is not None:
        told = f"({record.run.name})"
    return [
        Run(
            label=printable(f"{victim} {told}".strip()),
            rows=found,
            volumes=volumes,
            results=[row for row in rows if row.victim == victim],
            victim=victim,
            weights=_weights(record, victim),
            folder=record.folder,
            start=linear_start.of_config(record.run.config).head,
        )
        for victim, found in keyed.items()
    ]


def told_apart(records: list[Record]) -> list[Run]:
    """Return the runs of all records with different labels.

    Labels that are the same are followed by the files of their weights, or, if these do not differ, by the folders.
    """
    runs = [run for record in records for run in runs_of(record)]
    for label, count in Counter(run.label for run in runs).items():
        same = [index for index, run in enumerate(runs) if run.label == label]
        told = [runs[index].weights for index in same]
        if len(set(told)) < count:
            told = [runs[index].folder.resolve().name for index in same]
        if count > 1:
            for index, tag in zip(same, told, strict=True):
                runs[index] = runs[index]._replace(label=printable(f"{label} ({tag})"))
    return runs


def _weights(record: Record, victim: str) -> str:
    """The end of the path of a method's weights, as many files are called weights.safetensors; "" if it has none."""
    config = record.run.config
    if record.methods.get(victim, {}).get("weights", config) is None:  # older records do not tell
        return ""
    # If several methods take a network, its name stands after theirs.
    file = dict(config.get("networks", ())).get(victim.rpartition(" ")[2]) or config.get("weights")
    return "shipped weights" if file is None else "/".join(Path(file).parts[-2:])


def shared_eps(runs: list[Run]) -> list[float]:
    """Return the epsilons that all runs have, ascending.

    Raises:
        InputFileError: they share none.
    """
    of_each = [{eps for _, eps, _ in run.rows} for run in runs]
    shared = sorted(set.intersection(*of_each))
    if not shared:
        told = "; ".join(f"{run.label}: {_told(eps)}" for run, eps in zip(runs, of_each, strict=True))
        raise InputFileError(f"the runs share no epsilon ({told}); compare runs of equal epsilons")
    return shared


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


def head_of_start(runs: list[Run]) -> str:
    """Return the name of the linear start of runs."""
    names = {run.start for run in runs}
    return names.pop() if len(names) == 1 else linear_start.EITHER


def score_of_start(run: Run, cases: list[str], eps: float, metric: str) -> float | None:
    """Return the mean score of the linear start, None if the record has none."""
    return mean_if_known([run.rows[case, eps, metric].get("zero_filled") for case in cases])


class Part(NamedTuple):
    """A table of a comparison.

    Attributes:
        about: sentences about the table.
        head: headings of the columns.
        rows: cells of each row.
    """

    about: str
    head: list[str]
    rows: list[list[str]]


def markdown(runs: list[Run], eps: list[float]) -> str:
    """Format the tables of `parts` in Markdown; for the arguments and errors see there."""
    return "\n\n".join(f"{about}\n\n{markdown_table(head, rows)}" for about, head, rows in parts(runs, eps))


def latex(runs: list[Run], eps: list[float]) -> str:
    """Format the tables of `parts` in LaTeX; for the arguments and errors see there."""
    tables = [latex_table(about, head, rows) for about, head, rows in parts(runs, eps)]
    return "\n\n".join(["% Needs \\usepackage{booktabs}.", *tables]) + "\n"


def csv(runs: list[Run], eps: list[float]) -> bytes:
    """Write the means of each run over the shared images, in the columns of summary.csv; for the errors see `parts`.

    The names of the runs stand for their methods.
    """
    cases = set(_shared(runs, eps))
    rows = [
        replace(row, source=run.label, victim=run.label)
        for run in runs
        for row in run.results
        if row.case in cases and row.eps in eps
    ]
    return as_csv(summarise(rows))


def parts(runs: list[Run], eps: list[float]) -> list[Part]:
    """Make the tables of each run's means, and of the differences between each run and the next.

    Args:
        runs: the runs.
        eps: the epsilons of the columns.

    Raises:
        InputFileError: the runs share no image, or lack an epsilon.
    """
    cases = _shared(runs, eps)
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
        least = [(score_of_start(run, cases, eps[0], metric), style) for metric, style in _FORMATS.items()]
        least_told = " / ".join("-" if value is None else style.format(value) for value, style in least)
        rows.append([run.label, least_told, *cells])
    means = Part(
        f"Means over {len(cases)} image{'s' * (len(cases) != 1)}, PSNR [dB] / SSIM.",
        ["method", head_of_start(runs), *heads],
        rows,
    )
    if len(runs) == 1:
        return [means]
    rows = []
    for better, worse in itertools.pairwise(runs):
        volumes = [better.volumes[case] for case in cases]
        cells = [
            _interval(differences(better, worse, cases, value, "ssim", state), volumes) for state, value in columns
        ]
        rows.append([f"{better.label} - {worse.label}", *cells])
    about = "SSIM of each method minus that of the next, image by image. "
    return [means, Part(about + meaning(volumes_of(runs, cases)), ["", *heads], rows)]


def shared_images(runs: list[Run]) -> list[str]:
    """Return the images that all runs share, sorted.  Raises InputFileError if there are none."""
    cases = sorted(set.intersection(*(run.cases for run in runs)))
    if not cases:
        raise InputFileError("the runs share no image; compare runs on the same data")
    return cases


def _shared(runs: list[Run], eps: list[float]) -> list[str]:
    """The images that all runs share.  Raises InputFileError if there are none, or a run lacks an epsilon."""
    cases = shared_images(runs)
    for run in runs:
        missing = [value for value in eps if (cases[0], value, "psnr") not in run.rows]
        if missing:
            there = _told({value for _, value, _ in run.rows})
            raise InputFileError(f"{run.label}: has no epsilon {missing[0]:g}; give --eps {there}")
    return cases


def _told(eps: set[float]) -> str:
    return " ".join(f"{value:g}" for value in sorted(eps))


def _interval(found: list[float], volumes: list[str]) -> str:
    return told(statistics.fmean(found), of_mean(found, volumes), style_of("ssim").replace(":", ":+"), brief=True)
