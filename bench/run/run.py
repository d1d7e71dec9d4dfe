"""One run from configuration to record."""

from __future__ import annotations

import math
import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from bench.evaluate import methods, subjects
from bench.evaluate.evidence import not_checked
from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.plan.errors import DONE, InputFileError, OutOfMemoryError, UsageError, of_none
from bench.plan.like import LIKE
from bench.plan.shards import WHOLE, Shard
from bench.record import provenance
from bench.record.journal import held
from bench.record.records import SCHEMA_VERSION, RunFolder
from bench.record.resumable import recorded
from bench.record.stored import Plan, Stored, continued, stored
from bench.run import batch_size
from bench.run.describe import threat_model
from bench.run.estimate import estimate
from bench.run.executor import Work, attack_all
from bench.run.finish import count, finish, tell
from bench.slices import sources
from bench.slices.own_mask import settled
from bench.slices.prepare import Prepared, prepare
from data_prep.cases import InputError
from data_prep.machine import is_of_memory
from jaxcs.recon import l1


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
    notes = [*_notes(config, work, source), *solved_otherwise]
    memory, seconds = estimate(source.shapes, work)
    print(_headline(plan, source, work, memory, seconds), file=sys.stderr)
    # Before a folder is made, so that flags that do not fit the data leave nothing behind.
    first = _first_usable(source, config, range(source.total))
    subjects.check_brought(work.sources, work.victims, first.data)
    print(f"mask {first.mask}: {_sampling(first)}", file=sys.stderr)
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


def described(subject: Subject) -> dict[str, Any]:
    """A method as run.json has it: with all that decides its numbers."""
    trained = subject.trained
    return {
        "method": subject.config.method,
        "config": asdict(subject.method_config),
        "attack": subject.attack.name,
        "attack_config": asdict(subject.attack.config),
        "maps": methods.without_maps(subject.config, subject.method_config) or subject.config.maps,
        "weights": None if trained is None else {"sha256": trained.sha256, "card": trained.card},
    }


def _within_memory(work: Work, shapes: list[tuple[int, int, int]]) -> tuple[Work, list[str]]:
    """By solvers whose matrices fit, with a note for each that is another one."""
    fitting = {one.label: batch_size.within_memory(one, shapes, work.batch) for one in work.victims}
    found = [note for _, notes in fitting.values() for note in notes]
    sources_now, victims = ([fitting[one.label][0] for one in group] for group in (work.sources, work.victims))
    return work._replace(sources=sources_now, victims=victims), found


def _notes(config: RunConfig, work: Work, source: sources.Source) -> list[str]:
    found = [*source.notes, *provenance.about_settings()]
    for one in work.victims:
        found += _wavelet_notes(one.config, one.method_config, source.shapes)
        found += methods.notes(one.config, one.trained, source.shapes)
    if config.like is not None:
        found += [f"like {config.like}: {sentence}" for sentence in LIKE[config.like].differs]
    return list(dict.fromkeys(found))


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


def _sampling(prepared: Prepared) -> str:
    samples, acceleration, centre = prepared.sampling
    total = prepared.data.mask.size
    unit = "lines" if prepared.data.mask.ndim == 1 else "samples"
    maps = "" if prepared.left_out is None else f"; the coil maps leave out {prepared.left_out:.1%} of its energy"
    return (
        f"{samples} of {total} {unit} ({acceleration:.2f} times accelerated), {centre} of them in a full centre{maps}"
    )


def _wavelet_notes(config: RunConfig, method_config: Any, shapes: list[tuple[int, int, int]]) -> list[str]:
    """What the wavelet does where it cannot halve a matrix."""
    if config.method != "l1" or method_config.basis != "wavelet":
        return []
    notes = []
    for ny, nx in sorted({shape[1:] for shape in shapes}):
        levels, grid = l1.wavelet_grid(method_config, (ny, nx))
        if levels < method_config.levels:
            notes.append(f"{ny} x {nx} is too small for {method_config.levels} wavelet levels; {levels} are used")
        if grid != (ny, nx):
            notes.append(f"{ny} x {nx} is padded to {grid[0]} x {grid[1]} for {levels} wavelet levels")
    return notes


def _headline(plan: Plan, source: sources.Source, work: Work, memory: float, seconds: float) -> str:
    config, device = plan.config, provenance.device()
    part = "" if plan.shard == WHOLE else f", part {plan.shard} of {source.total}"
    eps = " ".join(f"{value:g}" for value in config.eps)
    attacked = ", ".join(one.label for one in work.sources)
    attacks = ", ".join(dict.fromkeys(one.attack.name for one in work.sources))
    batch = "" if plan.batch == 1 else f", batch {plan.batch or 'auto'}"
    return (
        f"{device['platform']} ({device['kind']}, {device['cores']} cores) | "
        f"{source.description}, {count(len(source.names))}{part}{batch} | "
        f"{attacked} under {attacks}, eps {eps} | about {memory / 1e9:.1f} GB and {seconds:.0f} s"
    )
