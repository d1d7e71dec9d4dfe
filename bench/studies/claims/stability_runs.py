"""Runs of bench.stability as evidence, each world for itself."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import NamedTuple

from bench.findings.judged import Judged
from bench.plan.errors import InputFileError
from bench.record.lines import read_lines
from bench.record.reading import read_json, understanding
from bench.studies.stability.numbers import first_seen, judged, of
from bench.studies.stability.row_forms import LINES, RUN
from jaxcs.names import printable

COMMAND = "bench.stability"


class StabilityRun(NamedTuple):
    """A finished run of bench.stability.

    Attributes:
        path: its folder.
        argv: its command line.
        judged: the published claims that it bears on, judged.
    """

    path: Path
    argv: list[str]
    judged: list[Judged]


def read(path: Path) -> StabilityRun:
    """Read the run in a folder.

    Raises:
        InputFileError: the run has not finished, or its records are not whole.
    """
    file = path / "run.json"
    run = read_json(file, RUN, COMMAND)
    again = f"python -m {COMMAND} --resume {shlex.quote(str(path))}"
    if run["status"] != "done":
        raise InputFileError(
            f"{path}: the study has not finished ({printable(run['status'])}); {again} goes on with it"
        )
    lines = read_lines(path / "images.jsonl", LINES["images.jsonl"])
    rows = [row for some in lines.rows.values() for row in some if "failed" not in row]
    if lines.damaged is not None or not rows:
        reason = f"images.jsonl, {lines.damaged}" if lines.damaged else "there are no results"
        raise InputFileError(f"{path}: its records are not whole ({reason}); {again} computes what is missing")
    with understanding(path / "images.jsonl", COMMAND):
        found = [judged(world, of(rows, world=world)) for world in first_seen(rows, "world")]
        return StabilityRun(path, run["argv"], [one for world in found for some in world.values() for one in some])
