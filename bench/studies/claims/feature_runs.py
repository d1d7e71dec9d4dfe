"""Runs of bench.features as evidence: runs that differ only in the image are judged together."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.findings.judged import Judged
from bench.plan.errors import InputFileError, UsageError
from bench.record.lines import read_lines
from bench.record.reading import read_json, understanding
from bench.studies.features import claims
from bench.studies.features.row_forms import LINES, RUN
from jaxcs.names import printable

COMMAND = "bench.features"


class FeatureRun(NamedTuple):
    """A finished run of bench.features.

    Attributes:
        path: its folder.
        argv: its command line.
        study: name of the study.
        how: how the features were inserted into the scan, see `Insertion`.
        rows: its results.
        likeness: a text that is the same for runs that differ only in the image.
    """

    path: Path
    argv: list[str]
    study: str
    how: str
    rows: claims.Rows
    likeness: str


def read(path: Path) -> FeatureRun:
    """Read the run in a folder.

    Raises:
        InputFileError: the run has not finished, or its records are not whole.
    """
    file = path / "run.json"
    run: dict[str, Any] = read_json(file, RUN, COMMAND)
    again = f"python -m {COMMAND} --resume {shlex.quote(str(path))}"
    if run["status"] != "done":
        raise InputFileError(
            f"{path}: the study has not finished ({printable(run['status'])}); {again} goes on with it"
        )
    lines = {name: read_lines(path / name, form) for name, form in LINES.items()}
    damaged = [f"{name}, {found.damaged}" for name, found in lines.items() if found.damaged is not None]
    rows = [row for some in lines["images.jsonl"].rows.values() for row in some if "failed" not in row]
    if damaged or not rows:
        reason = (damaged or ["there are no results"])[0]
        raise InputFileError(f"{path}: its records are not whole ({reason}); {again} computes what is missing")
    with understanding(file, COMMAND):
        config = run["config"]
        chosen = {name: value for name, value in config.items() if name != "image"}
        chosen["base"] = {name: value for name, value in config["base"].items() if name != "limit"}
        likeness = json.dumps([chosen, run["methods"]], sort_keys=True)
        return FeatureRun(path, run["argv"], config["study"], config["insertion"]["how"], rows, likeness)


def together(runs: Sequence[FeatureRun]) -> list[list[FeatureRun]]:
    """Group the runs that differ only in the image.

    Raises:
        UsageError: two runs of a group are of the same image.
    """
    groups: dict[str, list[FeatureRun]] = {}
    for run in runs:
        groups.setdefault(run.likeness, []).append(run)
    for group in groups.values():
        first: dict[str, Path] = {}
        for run in group:
            for image in {row["image"] for row in run.rows}:
                if first.setdefault(image, run.path) != run.path:
                    raise UsageError(
                        f"{run.path}: is of {printable(image)}, as {first[image]} is; name each image once"
                    )
    return list(groups.values())


def judged(runs: Sequence[FeatureRun]) -> list[Judged]:
    """Judge the claims that the rows of all these runs bear on."""
    with understanding(runs[0].path / "images.jsonl", COMMAND):
        return claims.judged(runs[0].study, [row for run in runs for row in run.rows], runs[0].how)
