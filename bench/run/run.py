"""One run from configuration to record."""

from __future__ import annotations

import math
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.evaluate import subjects
from bench.evaluate.evidence import not_checked
from bench.plan.config import RunConfig
from bench.plan.errors import DONE, InputFileError, OutOfMemoryError, UsageError, of_none
from bench.plan.shards import WHOLE, Shard
from bench.record import provenance
from bench.record.journal import held
from bench.record.records import SCHEMA_VERSION, RunFolder
from bench.record.resumable import recorded
from bench.record.stored import Plan, Stored, continued, stored
from bench.run import batch_size
from bench.run.describe import described, headline, notes_of, sampling, threat_model
from bench.run.estimate import estimate
from bench.run.executor import Work, attack_all
from bench.run.finish import count, finish, tell
from bench.slices import sources
from bench.slices.own_mask import settled
from bench.slices.prepare import Prepared, prepare
from data_prep.cases import InputError
from data_prep.machine import is_of_memory


class Done(NamedTuple):
    """A run that has ended: its folder and its run.json."""

    folder: RunFolder
    record: dict[str, Any]


def run(config: RunConfig, arguments: Namespace, argv: list[str]) -> int:
    """Carry out a run; returns the exit code."""
    sources.check_device(arguments.device)
    plan = plan_of(settled(config, argv), arguments, arguments.shard)
    return _tell(carry_out(plan, arguments, argv), arguments)


def plan_of(config: RunConfig, arguments: Namespace, shard: Shard) -> Plan:
    """What the arguments ask for, or a part of it."""
    return Plan(config, arguments.batch, arguments.save_perturbations, shard)


def go_on(arguments: Namespace) -> int:
    """Go on with the run in the folder --resume; returns the exit code."""
    sources.check_device(arguments.device)
    before = stored(Path(arguments.resume))
    plan = before.plan
    if arguments.batch is not None:
        plan = plan._replace(batch=arguments.batch)
    return _tell(carry_out(plan, arguments, before.record["argv"], before), arguments)


def _tell(done: Done | None, arguments: Namespace) -> int:
    return DONE if done is None else tell(*done, arguments.json)


def carry_out(
    plan: Plan,
    arguments: Namespace,
    argv: list[str],
    before: Stored | None = None,
    begun_in: Callable[[Path], None] = lambda path: None,
) -> Done | None:
    """Do what is planned, or go on with the run `before`; None where --dry-run asks for no more than what it would be.

    begun_in: is told the folder as soon as it is made.
    """
    begun = time.monotonic()
    config = plan.config
    if not plan.batch:
        plan = plan._replace(batch=batch_size.automatic())
    attacked = subjects.sources(config)
    mesh = sources.mesh_of(arguments.devices)
    work = Work(config, attacked, subjects.victims(config, attacked), plan.batch or 1, plan.save_perturbations, mesh)
    source = subjects.source_for(config, work.victims, plan.shard)
    work, solved_otherwise = _within_memory(work, source.shapes)
    notes = [*notes_of(config, work, source), *solved_otherwise]
    memory, seconds = estimate(source.shapes, work)
    print(headline(plan, source, work, memory, seconds), file=sys.stderr)
    # Before a folder is made, so that flags that do not fit the data leave nothing behind.
    first = _first_usable(source, config, range(source.total))
    subjects.check_brought(work.sources, work.victims, first.data)
    print(f"mask {first.mask}: {sampling(first)}", file=sys.stderr)
    for note in [*notes, *(f"{first.name}: {doubt.text}" for doubt in first.doubts)]:
        print(f"note: {note}", file=sys.stderr)
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_dict(),
        "fingerprint": config.fingerprint(),
        "runtime": plan.runtime(),
        "methods": {one.label: described(one) for one in work.victims},
        "threat_model": threat_model(work),
        "argv": argv,
        "versions": provenance.versions(),
        "git": provenance.git_state(),
        "device": provenance.device() | {"used": work.devices},
        "data": source.description,
        "data_sha256": source.sha256,
        "images": source.total,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "status": "running",
        "notes": notes,
        "not_checked": not_checked(
            bool(config.victims), config.check, min(getattr(one.attack.config, "restarts", 1) for one in attacked)
        ),
    }
    if before is not None:
        record = continued(before, record)
    if arguments.dry_run:
        return None
    if plan.batch == batch_size.AUTO:
        batch = batch_size.chosen(work, source.shapes, _largest(source, config, first))
        plan, work = plan._replace(batch=batch), work._replace(batch=batch)
        record["runtime"] = plan.runtime()
    folder = RunFolder(before.path) if before is not None else _new_folder(plan, Path(arguments.output))
    begun_in(folder.path)
    how = f"python -m bench.attack --resume {shlex.quote(str(folder.path))}"
    with held(folder, begun) as journal, recorded(folder, record, how):
        if before is not None:
            print(f"{len(journal.entries)} of {count(len(source.names))} were done", file=sys.stderr)
        folder.write_json("run.json", record)
        try:
            journal.check(dict(zip(source.positions, source.names, strict=True)))
            attack_all(work, source.without(journal.entries), folder, journal, {doubt.kind for doubt in first.doubts})
            record |= {
                "gradient_evaluations": sum(one.sampling is not None for one in journal.in_order())
                * work.gradient_evaluations(),
                "seconds": round(journal.elapsed(), 2),
            }
            record = finish(folder, record, journal)
        except Exception as error:
            if isinstance(error, OutOfMemoryError) or is_of_memory(error):
                raise _with_need(error, memory) from error
            raise
    return Done(folder, record)


def _new_folder(plan: Plan, parent: Path) -> RunFolder:
    return RunFolder.create(parent, folder_name(plan), plan.config.fingerprint())


def folder_name(plan: Plan) -> str:
    """What of a folder's name says which run it is of, between date and fingerprint."""
    name = plan.config.method.replace(":", "-")
    return name if plan.shard == WHOLE else f"{name}-{plan.shard.part}of{plan.shard.of}"


def _with_need(error: BaseException, memory: float) -> OutOfMemoryError:
    reason = str(error) if isinstance(error, OutOfMemoryError) else "out of memory"
    return OutOfMemoryError(f"{reason}; the estimate was {memory / 1e9:.1f} GB; use a smaller --batch or fewer coils")


def _within_memory(work: Work, shapes: list[tuple[int, int, int]]) -> tuple[Work, list[str]]:
    """By solvers whose matrices fit, with a note for each that is another one."""
    fitting = {one.label: batch_size.within_memory(one, shapes, work.batch) for one in work.victims}
    found = [note for _, notes in fitting.values() for note in notes]
    sources_now, victims = ([fitting[one.label][0] for one in group] for group in (work.sources, work.victims))
    return work._replace(sources=sources_now, victims=victims), found


def _largest(source: sources.Source, config: RunConfig, first: Prepared) -> Prepared:
    """A slice of the shape that needs the most memory, or `first` where that cannot be used."""
    largest = max(range(len(source.shapes)), key=lambda index: math.prod(source.shapes[index]))
    try:
        return _first_usable(source, config, [source.positions[largest]])
    except (InputFileError, UsageError):
        return first


def _first_usable(source: sources.Source, config: RunConfig, positions: Sequence[int]) -> Prepared:
    """The first slice of these that can be used, prepared.

    Raises UsageError where there is none because of the flags, InputFileError where it is because of the data.
    """
    reasons: list[InputFileError] = []
    for case in source.read(positions):
        if isinstance(case, InputError):
            reasons.append(InputFileError(str(case)))
            continue
        try:
            return prepare(case, config)
        except InputFileError as error:
            reasons.append(error)
    raise of_none(reasons)
