"""One study, from configuration to record."""

from __future__ import annotations

import json
import shlex
import sys
import time
from argparse import Namespace
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.evaluate import subjects
from bench.evaluate.subjects import Subject
from bench.plan.errors import InputFileError, UsageError, of_none
from bench.record import provenance
from bench.record.forms import plain
from bench.record.journal import held
from bench.record.reading import read_json, understanding
from bench.record.records import RunFolder
from bench.record.resumable import recorded
from bench.record.stored import also_on, difference
from bench.slices import sources
from bench.slices.own_mask import settled
from bench.slices.prepare import prepare
from bench.slices.sources import Source
from bench.studies.features.claims import AGAIN
from bench.studies.features.config import FeatureConfig, configuration
from bench.studies.features.finish import finish, tell
from bench.studies.features.row_forms import LINES, RUN
from bench.studies.features.units import Slice, count, record_all
from data_prep.cases import Case, InputError

SCHEMA_VERSION = 1
COMMAND = "bench.features"
# Figure 16 of the ICML 2021 paper: optimisers of ConvDecoder's fit.  Among the descent's rates 0.3, 3, 30 and 300, this
# rate is the best after 600 steps on a training knee (SSIM 0.600, 0.669, 0.635, 0.537).  For the smooth Adam, 0.005,
# 0.01
# and 0.02 are alike (0.660, 0.665, 0.669).
LEARNING_RATES = {"adam": 0.01, "smooth_adam": 0.01, "rising_descent": 3.0}


class Before(NamedTuple):
    """A study that was begun.

    Attributes:
        path: its folder.
        record: its run.json.
    """

    path: Path
    record: dict[str, Any]


def run(arguments: Namespace, argv: list[str]) -> int:
    """Carry out a study, or resume one; returns the exit code."""
    sources.check_device(arguments.device)
    if arguments.resume is None:
        config = configuration(arguments)
        return _carry_out(replace(config, base=settled(config.base, argv)), arguments, argv, None)
    before, config = _stored(Path(arguments.resume))
    return _carry_out(config, arguments, before.record["argv"], before)


def _carry_out(config: FeatureConfig, arguments: Namespace, argv: list[str], before: Before | None) -> int:
    begun = time.monotonic()
    methods = subjects_of(config)
    source = subjects.source_for(config.base, methods)
    failed: dict[str, str] = {}
    slices = _slices(config, source, failed)
    device = provenance.device()
    names = ", ".join(one.label for one in methods)
    print(
        f"{device['platform']} ({device['kind']}, {device['cores']} cores) | {source.description}, "
        f"{len(slices)} image{'s' * (len(slices) != 1)} | {config.study}: {names}, {count(config, slices, methods)} "
        "reconstructions",
        file=sys.stderr,
    )
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": COMMAND,
        "config": config.to_dict(),
        "fingerprint": config.fingerprint(),
        "methods": {one.label: _described(one) for one in methods},
        "argv": argv,
        "versions": provenance.versions(),
        "git": provenance.git_state(),
        "device": device,
        "data": source.description,
        "data_sha256": source.sha256,
        "images": len(slices),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "status": "running",
        "notes": [*source.notes, *provenance.about_settings(), *_doubts(slices)],
    }
    for note in record["notes"]:
        print(f"note: {note}", file=sys.stderr)
    if before is not None:
        record = _continued(before, record)
        folder = RunFolder(before.path)
    else:
        folder = RunFolder.create(Path(arguments.output), f"features-{config.study}", config.fingerprint())
    how = f"python -m {COMMAND} --resume {shlex.quote(str(folder.path))}"
    with held(folder, begun, LINES) as journal, recorded(folder, record, how):
        if before is not None:
            print(f"{len(journal.entries)} groups of places were done", file=sys.stderr)
        folder.write_json("run.json", record)
        record_all(config, methods, slices, folder, journal)
        record = finish(folder, record | {"seconds": round(journal.elapsed(), 2)}, journal, failed)
    return tell(folder, record, arguments.json)


def subjects_of(config: FeatureConfig) -> list[Subject]:
    """Return the methods of a study, each with its label in the records.

    Raises:
        UsageError: the study cannot be done with these methods.
        InputFileError: their weights cannot be used.
    """
    found = subjects.victims(config.base, subjects.sources(config.base))
    if config.study == "worst" and any(one.method.fitted for one in found):
        raise UsageError("--study worst: the gradient through an un-trained fit says too little; name other methods")
    if config.study != "optimisers":
        return found
    (only,) = found
    optimisers = [
        only._replace(label=name, method_config=replace(only.method_config, optimiser=name, learning_rate=rate))
        for name, rate in LEARNING_RATES.items()
    ]
    again = replace(only.config, seed=only.config.seed + 1)
    return [*optimisers, optimisers[0]._replace(label=f"{optimisers[0].label}{AGAIN}", config=again)]


def _slices(config: FeatureConfig, source: Source, failed: dict[str, str]) -> list[Slice]:
    """The slices of a study, prepared; for the others, `failed` gets the reason, by name.

    Raises InputFileError or UsageError if no slice can be used.
    """
    positions = source.positions
    if config.study in ("map", "worst", "optimisers"):
        if config.image >= source.total:
            raise UsageError(f"--image {config.image}: {source.description} has {source.total} images, from 0 on")
        positions = [config.image]
    names = dict(zip(source.positions, source.names, strict=True))
    found, reasons = [], []
    for position, case in zip(positions, source.read(positions), strict=True):
        try:
            one = _slice(config, case)
        except InputFileError as error:
            failed[names[position]] = str(error)
            reasons.append(error)
            continue
        found += [one] if one is not None else []
    if not found and reasons:
        raise of_none(reasons)
    if not found:
        raise InputFileError(f"--data {config.base.data}: no slice has a box; data_prep fastmri --boxes joins them")
    return found


def _slice(config: FeatureConfig, case: Case | InputError) -> Slice | None:
    """A slice of the study, None if it has no box and needs one; raises InputFileError."""
    if isinstance(case, InputError):
        raise InputFileError(str(case)) from case
    if config.study == "boxes" and not case.boxes:
        return None
    if config.study != "boxes" and case.mask is not None:
        raise InputFileError(
            f"{case.name}: is already under-sampled, so that no feature can be put into it; give whole k-space"
        )
    return Slice(prepare(case, config.base), case.boxes)


def _doubts(slices: list[Slice]) -> list[str]:
    """Doubts about the data, the first of each kind."""
    first: dict[str, str] = {}
    for one in slices:
        for doubt in one.prepared.doubts:
            first.setdefault(doubt.kind, f"{one.prepared.name}: {doubt.text}")
    return list(first.values())


def _described(one: Subject) -> dict[str, Any]:
    """The entry of a method in run.json."""
    trained = one.trained
    weights = None if trained is None else {"sha256": trained.sha256, "card": trained.card}
    return {"method": one.config.method, "config": asdict(one.method_config), "weights": weights}


def _stored(path: Path) -> tuple[Before, FeatureConfig]:
    """The study in this folder; raises InputFileError if there is none, or if its configuration was changed."""
    file = path / "run.json"
    record = read_json(file, plain, COMMAND)
    if not isinstance(record, dict) or record.get("command") != COMMAND:
        raise InputFileError(f"{file}: is no record of {COMMAND}; name a folder that it made")
    with understanding(file, COMMAND):
        RUN(record)
        config = FeatureConfig.from_dict(record["config"])
    if record["fingerprint"] != config.fingerprint():
        raise InputFileError(f"{file}: its configuration was changed; put it back, or begin anew")
    return Before(path, record), config


def _continued(before: Before, now: dict[str, Any]) -> dict[str, Any]:
    """run.json of a resumed study; raises InputFileError if a condition that decides its numbers has changed."""
    now = json.loads(json.dumps(now))  # in the form in which it would be read again
    reason = difference(before.record, now)
    if reason is not None:
        raise InputFileError(f"{before.path}: cannot go on: {reason}; put that back, or begin anew")
    notes = list(dict.fromkeys([*before.record["notes"], *now["notes"], *also_on(before.record, now)]))
    return before.record | {"status": "running", "notes": notes, "resumed": before.record.get("resumed", 0) + 1}
