"""The runs of a study; each is an ordinary run of bench.attack."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from bench.evaluate import subjects
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.record.provenance import versions
from bench.record.record import Record
from bench.record.stored import Stored, difference_of_versions
from bench.run.describe import described
from bench.run.series import run_once
from bench.studies.shift.plan import Plan

RUNS = "runs"


def run_all(plan: Plan, study: Path, argv: list[str]) -> dict[tuple[str, str], Record]:
    """Carry out the run of each model on each of its test sets.

    Args:
        plan: the plan of the study.
        study: folder of the study.
        argv: the command line, for the records.

    Returns:
        The record of each (model, test set).

    Raises:
        RunError: a run cannot be carried out, in one line for the user.
    """
    cells = plan.cells()
    found, begun = {}, time.monotonic()
    for number, (model, test) in enumerate(cells, 1):
        spent = time.monotonic() - begun
        print(f"[{number}/{len(cells)}] {model.label} on {test}, {spent:.0f} s so far", file=sys.stderr, flush=True)
        found[model.label, test] = one_run(plan.config(model, test), study, argv)
    return found


def one_run(config: RunConfig, study: Path, argv: list[str]) -> Record:
    """Carry out a run, unless it is done, and return its record.

    Raises:
        InputFileError: the study has this run with other weights or versions.
    """

    def takes(before: Stored) -> bool:
        if before.record.done:
            _check_same(before, config)
        return True

    return run_once(config, study / RUNS, ["bench.shift", *argv], takes)


def _check_same(before: Stored, config: RunConfig) -> None:
    now = {one.label: described(one) for one in subjects.sources(config)}
    reason = difference_of_versions(before.record.versions, versions())
    if before.record.methods != json.loads(json.dumps(now)):
        reason = "its methods are not those of today"
    if reason is not None:
        raise InputFileError(f"{before.path}: {reason}; choose another --output")
