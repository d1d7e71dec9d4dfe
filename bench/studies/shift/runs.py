"""The runs of a study: finished runs are kept, stopped runs are resumed, the others are started."""

from __future__ import annotations

import json
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench.evaluate import methods, subjects
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.plan.shards import WHOLE
from bench.record.provenance import versions
from bench.record.resumable import resumable
from bench.record.stored import Plan as RunPlan
from bench.record.stored import Stored, difference_of_versions, stored
from bench.run.describe import described
from bench.run.run import carry_out
from bench.studies.shift.plan import Plan

RUNS = "runs"


def run_all(plan: Plan, study: Path, argv: list[str]) -> tuple[dict[tuple[str, str], Path], int]:
    """Carry out all runs of a plan; raises what a run raises.

    Returns:
        The folder of each (model, test set), and the number of images that failed.
    """
    cells = plan.cells()
    found, failed, begun = {}, 0, time.monotonic()
    for number, (model, test) in enumerate(cells, 1):
        spent = time.monotonic() - begun
        print(f"[{number}/{len(cells)}] {model.label} on {test}, {spent:.0f} s so far", file=sys.stderr, flush=True)
        path, record = one_run(plan.config(model, test), study, argv)
        found[model.label, test] = path
        failed += len(record["failed"])
    return found, failed


def one_run(config: RunConfig, study: Path, argv: list[str]) -> tuple[Path, dict[str, Any]]:
    """Carry out a run, unless it is done.

    Returns:
        The folder of the run and its run.json.

    Raises:
        InputFileError: the study has this run with other weights or versions.
    """
    before = _before(study / RUNS, config)
    if before is not None and before.record["status"] == "done":
        _check_same(before, config)
        return before.path, before.record
    plan = RunPlan(config, batch=0, save_perturbations=False, shard=WHOLE)
    arguments = Namespace(devices=None, dry_run=False, output=str(study / RUNS))
    # The advice is to resume the study, not this run, which would skip the other runs.
    with resumable(shlex.join(["python", "-m", "bench.shift", *argv])):
        done = carry_out(plan, arguments, command_line(config), before)
    assert done is not None
    return done.folder.path, done.record


def _before(runs: Path, config: RunConfig) -> Stored | None:
    """The stored run of this configuration; a run that could not write its run.json cannot be resumed."""
    for path in sorted(runs.glob(f"*-{config.fingerprint()}*"), reverse=True):
        if (path / "run.json").exists():
            return stored(path)
    return None


def _check_same(before: Stored, config: RunConfig) -> None:
    now = {one.label: described(one) for one in subjects.sources(config)}
    reason = difference_of_versions(before.record["versions"], versions())
    if before.record["methods"] != json.loads(json.dumps(now)):
        reason = "its methods are not those of today"
    if reason is not None:
        raise InputFileError(f"{before.path}: {reason}; choose another --output")


def command_line(config: RunConfig) -> list[str]:
    """Return the arguments of bench.attack for the same run."""
    words = ["--method", config.method, "--attack", "noise", "--eps", "0", "--phantom", config.phantom]
    for flag, value in (("data", config.data), ("only", config.only), ("weights", config.weights)):
        words += [] if value is None else [f"--{flag}", value]
    for flag, pairs in (("set", config.settings), ("shift", config.shift)):
        words += [f"--{flag}", *(f"{name}={value}" for name, value in pairs)] if pairs else []
    # Without them, each file has a mask.
    if config.acceleration is not None and config.center_fraction is not None:
        words += ["--mask", config.mask, "--acceleration", f"{config.acceleration:g}"]
        words += ["--center-fraction", f"{config.center_fraction:g}"]
    return words + ([] if config.limit is None else ["--limit", str(config.limit)])


def method_of(weights: Iterable[tuple[str, str]], flag: str) -> dict[str, tuple[str, str]]:
    """Return NAME -> (method, file) of weights.

    Raises:
        InputFileError: the weights cannot be read.
        UsageError: a name occurs twice, or the weights do not suit.
    """
    found: dict[str, tuple[str, str]] = {}
    for name, file in weights:
        if name in found:
            raise UsageError(f"{flag} {name}: is named twice; give each weights a name of their own")
        found[name] = (methods.trained_method(file, flag), file)
    return found
