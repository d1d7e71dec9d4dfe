"""The study on disk: its runs, each an ordinary run of bench.attack, and the results computed from them."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.figures.drawing import draw_into
from bench.plan.errors import InputFileError
from bench.record.forms import list_of, mapping, one_of, optional, plain, table, text, whole
from bench.record.reading import read_json, understanding
from bench.record.record import Record, read
from bench.record.records import RunFolder
from bench.studies.shift.analysis import Point, Scores, analyse
from bench.studies.shift.findings import findings
from bench.studies.shift.named import AXES
from bench.studies.shift.plan import Comparison, Model, Plan

SCHEMA_VERSION = 1
METRIC = "ssim"
NAME = "study.json"
_STUDY = table(
    {
        "schema_version": whole(), "argv": list_of(text), "metric": text, "tests": mapping(plain),
        "models": list_of(mapping(text)), "runs": list_of(mapping(text)),
        "comparisons": list_of(
            table(
                {"name": text, "axis": text, "kind": one_of(("same model", "same images")), "inside": text}
                | {"outside": text, "without": optional(text), "words": text, "paper": text, "parts": list_of(text)}
            )
        ),
    }
)  # fmt: skip


def described(plan: Plan, runs: Mapping[tuple[str, str], Record], study: Path, argv: list[str]) -> dict[str, Any]:
    """Return the content of study.json before its analysis.

    Args:
        plan: the plan of the study.
        runs: the records by (model, test set).
        study: folder of the study.
        argv: the command line.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "argv": argv,
        "metric": METRIC,
        "tests": {name: config.to_dict() for name, config in plan.tests.items()},
        "models": [
            {"label": one.label, "variant": one.variant, "group": one.group, "home": one.home}
            | {"method": one.fields["method"], "parameters": one.parameters}
            for one in plan.models
        ],
        "runs": [
            {"model": label, "test": test, "run": os.path.relpath(record.folder, study)}
            for (label, test), record in runs.items()
        ],
        "comparisons": [
            one._asdict() | {"words": AXES[one.axis].words, "paper": AXES[one.axis].paper}
            | {"parts": list(AXES[one.axis].parts)}
            for one in plan.comparisons
        ],
    }  # fmt: skip


def stored(study: Path) -> dict[str, Any]:
    """Read the content of a study's file.

    Raises:
        InputFileError: the folder has no such file, or the file cannot be understood.
    """
    path = study / NAME
    found: dict[str, Any] = read_json(path, _STUDY, "bench.shift")
    if found["schema_version"] != SCHEMA_VERSION:
        raise InputFileError(f"{path}: has schema version {found['schema_version']}, not {SCHEMA_VERSION}")
    return found


def completed(study: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Add the results of each comparison and the findings, computed from the runs' records.

    Raises:
        InputFileError: a record cannot be understood, or methods share no image.
    """
    with understanding(study / NAME, "bench.shift"):
        scores = {(one["model"], one["test"]): _scores(read(study / one["run"])) for one in content["runs"]}
        models = [Model(**one | {"fields": {"method": one.pop("method")}}) for one in map(dict, content["models"])]
        comparisons = []
        for one in content["comparisons"]:
            kept = {name: one[name] for name in Comparison._fields}
            points = _points(Comparison(**kept), models, scores)
            if points:
                comparisons.append(one | {"results": _analysed(one["name"], points)})
    fitted = "; ".join(f"{one.label} {one.parameters}" for one in models if one.parameters)
    said = findings(comparisons) + ([f"numbers that were fitted to data: {fitted}"] if fitted else [])
    return content | {"comparisons": comparisons, "findings": said}


def write(study: Path, content: dict[str, Any]) -> None:
    """Write study.json and the figures."""
    folder = RunFolder(study)
    folder.write_json(NAME, content)
    again = f"python -m bench.shift --redraw {shlex.quote(str(study))}"
    with understanding(study / NAME, "bench.shift"):
        draw_into(folder, "figure.png", "shift", content, again=again)
        draw_into(folder, "examples.png", "shift_examples", study, content, again=again)


def _analysed(name: str, points: list[Point]) -> dict[str, Any]:
    for side in ("inside", "outside"):
        if not set.intersection(*(set(getattr(one, side).values) for one in points)):
            raise InputFileError(f"{name}: there is no image that all methods reconstructed; see the runs' failures")
    return analyse(points)


def _scores(record: Record) -> Scores:
    rows = [row for row in record.rows if row.metric == METRIC and row.source == row.victim]
    return Scores({row.case: row.clean for row in rows}, {row.case: row.volume for row in rows})


def _points(comparison: Comparison, models: list[Model], scores: dict[tuple[str, str], Scores]) -> list[Point]:
    """The models of a comparison; with the same images, the methods that were trained for both sides."""
    models = [one for one in models if one.fields["method"] != comparison.without]
    inside = [one for one in models if one.home == comparison.inside]
    if comparison.kind == "same model":
        tests = comparison.inside, comparison.outside
        return [
            Point(one.label, one.variant, one.group, *(scores[one.label, test] for test in tests)) for one in inside
        ]
    across = {one.variant: one for one in models if one.home == comparison.outside}
    return [
        Point(
            one.variant, one.variant, one.group,
            scores[across[one.variant].label, comparison.outside], scores[one.label, comparison.outside],
        )
        for one in inside
        if one.variant in across
    ]  # fmt: skip
