"""The page that compares several runs: means, curves, differences image by image, and objections to each run."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bench.findings import acceptance, paired
from bench.findings.paired import Run
from bench.page import beside, origin, plots, words
from bench.page.cells import Cell, Table, cells, interval, score
from bench.page.curves import Line, Point, chart
from bench.page.document import document, resource
from bench.page.pictures import region_of
from bench.plan import linear_start
from bench.plan.criteria import Criterion
from bench.plan.intervals import meaning, of_mean
from bench.plan.scores import decimals_of, rounded, words_of
from bench.record.record import Estimate, Record, read

_STATES = ("noise", "attacked")


def comparison(folders: list[Path], criteria: Sequence[Criterion] | None = None) -> bytes:
    """Make the page of several runs.

    Args:
        folders: folders of the runs, in the order of the page.
        criteria: criteria by which each run is judged; its own if None.

    Raises:
        InputFileError: a folder is not that of a finished run.
    """
    records = [read(folder) for folder in folders]
    runs = paired.told_apart(records)
    shared = sorted(set.intersection(*(run.cases for run in runs)))
    common = sorted(set.intersection(*({eps for _, eps, _ in run.rows} for run in runs)))
    eps = [value for value in common if value > 0]
    shown = beside.collect(runs, shared, common) if shared and common else None
    if shown is not None:
        shown |= {"control": words.control_name(records[0]), "region": region_of(records)}
    values = {
        "explorer": resource("explorer.html"),
        "picture_notes": words.picture_notes(shown),
        "headline": _headline(runs, eps),
        "differing": _differing(records),
        "about_means": _about_means(runs, shared, common),
        "means": _means(runs, shared, common),
        "curves": _curves(runs, records),
        "several": len(runs) > 1,
        "differences": _differences(runs, shared, common),
        "about_differences": meaning(paired.volumes_of(runs, shared)),
        "flags": [_flags(record) for record in records],
        "verdicts": {_name(record): found for record in records if (found := acceptance.verdicts(record, criteria))},
        "about_verdicts": acceptance.MEANING,
        "origins": {_name(record): origin.identity(record) for record in records},
    }
    return document("comparison.html", "Runs compared", values, shown)


def _headline(runs: list[Run], eps: list[float]) -> str:
    """The best and the worst method under attack, at the largest common epsilon."""
    if not eps:
        return f"{len(runs)} methods under attack; the runs share no epsilon"
    means = {run.label: _mean(run, sorted(run.cases), eps[-1], "psnr", "attacked").mean for run in runs}
    if min(len(run.cases) for run in runs) == 1:
        told = ", ".join(f"{label} {rounded('psnr', value)} dB" for label, value in means.items())
        return f"One image of a run is an example and no finding: PSNR under attack at epsilon {eps[-1]:g}: {told}"
    best, worst = max(means, key=lambda label: means[label]), min(means, key=lambda label: means[label])
    most, least = (rounded("psnr", means[label]) for label in (best, worst))
    return (
        f"Under attack at epsilon {eps[-1]:g}, {best} keeps the highest PSNR ({most} dB) and {worst} the lowest "
        f"({least} dB) of {len(runs)}."
    )


def _differing(records: list[Record]) -> Table | None:
    """The settings in which the runs differ, which may cause the difference of their scores; None if there are none."""
    configs = [record.run.config | {"data": record.run.data} for record in records]
    rows = []
    for key in sorted(set.union(*map(set, configs))):
        values = [words.plain(config.get(key), "=") for config in configs]
        if len(set(values)) > 1:
            rows.append(cells(key, *values))
    if not rows:
        return None
    head = ["setting", *map(_name, records)]
    return Table(head, rows, "What differs between the runs; all other settings are the same", "text")


def _name(record: Record) -> str:
    """The name of a run, or of its folder."""
    return record.run.name or record.folder.resolve().name


def _about_means(runs: list[Run], shared: list[str], common: list[float]) -> str:
    """A sentence about the images over which the means are taken."""
    text = (
        f"Means over the {words.count(len(shared), 'image')} that all runs share. "
        f"{meaning(paired.volumes_of(runs, shared))}"
        if shared
        else "The runs share no image, so that each mean is over the images of its run, and no difference is paired."
    )
    return text if common else f"{text} They share no epsilon either: run them with the same --eps."


def _means(runs: list[Run], shared: list[str], common: list[float]) -> list[Table]:
    """Tables with a row for each method: means over the shared images, or over all its images if none are shared."""
    if not common:
        return []
    head, columns = _columns(common)
    tables = []
    for metric in plots.METRICS:
        rows = [
            [
                Cell(run.label, colour=plots.colour(index)),
                score(metric, paired.score_of_start(run, shared or sorted(run.cases), columns[0][1], metric)),
                *(
                    interval(metric, _mean(run, shared or sorted(run.cases), value, metric, state), kind=kind)
                    for (state, value), kind in zip(columns, _kinds(columns), strict=True)
                ),
            ]
            for index, run in enumerate(runs)
        ]
        tables.append(
            Table(["method", paired.head_of_start(runs), *head], rows, words_of(metric), kinds={head[-1]: "sight"})
        )
    return tables


def _curves(runs: list[Run], records: list[Record]) -> list[Markup]:
    """Charts of every method over all its images: solid under attack, dashed with noise."""
    figures = []
    for metric in plots.METRICS:
        lines = []
        for state in _STATES:
            for index, run in enumerate(runs):
                eps = sorted({value for _, value, _ in run.rows})
                cases = sorted(run.cases)
                points = [Point(value, *_mean(run, cases, value, metric, state)) for value in eps]
                if eps[0] > 0:
                    points.insert(0, Point(0.0, *_mean(run, cases, eps[0], metric, "clean")))
                kind = plots.colour(index) + (" control" if state == "noise" else "")
                lines.append(Line(f"{run.label}, {state}", kind, points, run.label))
        figures.append(chart(words_of(metric), lines, plots.axis(records[0]), digits=decimals_of(metric)))
    return figures


def _differences(runs: list[Run], shared: list[str], common: list[float]) -> list[Table]:
    """Tables of the differences between each method and the next, over the shared images."""
    if not shared or not common:
        return []
    head, columns = _columns(common)
    tables = []
    for metric in plots.METRICS:
        rows = [
            [
                Cell(f"{better.label} − {worse.label}"),
                *(
                    interval(
                        metric,
                        _over(better, shared, paired.differences(better, worse, shared, value, metric, state)),
                        signed=True,
                        kind=kind,
                    )
                    for (state, value), kind in zip(columns, _kinds(columns), strict=True)
                ),
            ]
            for better, worse in itertools.pairwise(runs)
        ]
        caption = f"{words_of(metric)}: each method minus the next"
        tables.append(Table(["", *head], rows, caption, kinds={head[-1]: "sight"}))
    return tables


def _columns(common: list[float]) -> tuple[list[str], list[tuple[str, float]]]:
    """Headings, and the state and epsilon of each column."""
    eps = [value for value in common if value > 0]
    columns = [("clean", common[0]), *((state, value) for value in eps for state in _STATES)]
    return ["clean", *(f"{state} {value:g}" for state, value in columns[1:])], columns


def _kinds(columns: list[tuple[str, float]]) -> list[str]:
    """Classes of the columns: the last, under the strongest attack, stays in sight on a narrow screen."""
    return [""] * (len(columns) - 1) + ["sight"]


def _mean(run: Run, cases: list[str], eps: float, metric: str, state: str) -> Estimate:
    return _over(run, cases, paired.values(run, cases, eps, metric, state))


def _over(run: Run, cases: list[str], values: list[float]) -> Estimate:
    return Estimate(statistics.fmean(values), of_mean(values, [run.volumes[case] for case in cases]))


def _flags(record: Record) -> dict[str, Any]:
    found: list[str] = words.flags(record)
    failed = len(record.run.failed)
    if failed:
        found.append(f"{words.count(failed, 'image')} failed.")
    name = f"{', '.join(record.names('victim'))}: {record.folder.resolve().name}"
    if found:
        return {"name": name, "sentences": found, "kind": "flags"}
    if not words.held_against_start(record):
        start = linear_start.of_config(record.run.config).head
        text = f"No check failed, but the run was not compared with {start} images."
        return {"name": name, "sentences": [text], "kind": ""}
    return {"name": name, "sentences": ["No check failed."], "kind": "fine"}
