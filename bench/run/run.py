"""One run from configuration to record."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp

from bench.evaluate import scan, subjects
from bench.evaluate.evidence import not_checked
from bench.plan.command_line import command_line
from bench.plan.config import RunConfig
from bench.plan.errors import OutOfMemoryError
from bench.plan.shards import WHOLE, Shard
from bench.record.record import Record
from bench.record.records import RunFolder
from bench.record.run_record import RunRecord
from bench.record.stored import Plan, Stored, continued
from bench.run import batch_size
from bench.run.describe import described, headline, notes_of, sampling, threat_model
from bench.run.estimate import estimate
from bench.run.executor import Work, attack_all
from bench.run.finish import count, finish
from bench.run.first import Ready, first_usable, largest
from bench.run.life import beginning, recording, say_notes
from bench.slices import sources
from bench.slices.own_mask import settled
from bench.slices.prepare import SliceData
from data_prep.machine import is_of_memory


class Opened(NamedTuple):
    """A run whose data and methods are there, before a folder is made.

    record: run.json.  ready: slices that have been prepared already.  said: kinds of doubts about the
    data that the user has read.  memory: the estimate [bytes].  begun: when, on the monotonic clock [s].
    """

    plan: Plan
    work: Work
    source: sources.Source
    ready: Ready
    said: frozenset[str]
    record: RunRecord
    before: Stored | None
    memory: float
    begun: float


def run(
    config: RunConfig,
    *,
    output: Path = Path("runs"),
    device: str = "auto",
    devices: int | None = None,
    batch: int | None = None,
    save_perturbations: bool = False,
    shard: Shard = WHOLE,
    resume: Stored | None = None,
    argv: Sequence[str] | None = None,
) -> Record:
    """Carry out a run, as bench.attack does; what it says on the way goes to standard error.

    Args:
        config: all that decides the numbers.
        output: the run makes a folder in here.
        device: "auto", or the kind of device that must be there.
        devices: how many of this machine's devices share the slices, 0 for all, None for one.
        batch: slices at once on each device, 0 for as many as its memory holds, None for what suits the device.
        save_perturbations: whether they are kept.
        shard: the part of the images.
        resume: the run of this configuration that goes on; it keeps its folder, its part and what it saves.
        argv: the command line, if there is one.

    Returns:
        The record of the run, whose images may have failed.

    Raises:
        UsageError, InputFileError, OutputError, OutOfMemoryError: each with one line for the user.
    """
    opened = open_run(
        config, device=device, devices=devices, batch=batch, save_perturbations=save_perturbations, shard=shard,
        resume=resume, argv=argv,
    )  # fmt: skip
    return carry_out(opened, output)


def open_run(
    config: RunConfig,
    *,
    device: str = "auto",
    devices: int | None = None,
    batch: int | None = None,
    save_perturbations: bool = False,
    shard: Shard = WHOLE,
    resume: Stored | None = None,
    argv: Sequence[str] | None = None,
) -> Opened:
    """Say what a run is and takes, and make nothing; for the arguments and errors see `run`."""
    begun = time.monotonic()
    sources.check_device(device)
    if resume is not None:
        plan, argv = resume.plan if batch is None else resume.plan._replace(batch=batch), resume.record.argv
    else:
        argv = command_line(config) if argv is None else argv
        plan = Plan(settled(config, argv), batch, save_perturbations, shard)
    config = plan.config
    if not plan.batch:
        plan = plan._replace(batch=batch_size.automatic())
    attacked = subjects.sources(config)
    mesh = sources.mesh_of(devices)
    work = Work(config, attacked, subjects.victims(config, attacked), plan.batch or 1, plan.save_perturbations, mesh)
    source = subjects.source_for(config, work.victims, plan.shard)
    work, solved_otherwise = _within_memory(work, source.shapes)
    notes = [*notes_of(config, work, source), *solved_otherwise]
    memory, seconds = estimate(source.shapes, work)
    print(headline(plan, source, work, memory, seconds), file=sys.stderr)
    # Flags that do not fit the data leave nothing behind.
    first, ready = first_usable(source, config)
    work = _tried(work, first.data)
    print(f"mask {first.mask}: {sampling(first)}", file=sys.stderr)
    say_notes([*notes, *(f"{first.name}: {doubt.text}" for doubt in first.doubts)])
    content = beginning(config, {one.label: described(one) for one in work.victims}, argv, source, source.total, notes)
    content["device"] |= {"used": work.devices}
    restarts = min(getattr(one.attack.config, "restarts", 1) for one in work.sources)
    unknown = not_checked(bool(config.victims), config.check, restarts)
    record = RunRecord(**content, runtime=plan.runtime(), threat_model=threat_model(work), not_checked=unknown)
    if resume is not None:
        record = RunRecord.of(continued(resume.path, resume.record.content(), record.content()))
    said = frozenset(doubt.kind for doubt in first.doubts)
    return Opened(plan, work, source, ready, said, record, resume, memory, begun)


def _tried(work: Work, data: SliceData) -> Work:
    """The work with what was learnt of functions of one's own.  Raises UsageError if they cannot be used."""
    subjects.check_brought(work.sources, work.victims, data)
    subjects.check_scan(work.victims, data)
    threat = scan.build(work.config, None).allowed(data, jnp.float32(max(work.config.eps)))
    tried = {one.label: subjects.tried(one, threat) for one in work.victims}
    sources, victims = ([tried[one.label] for one in group] for group in (work.sources, work.victims))
    return work._replace(sources=sources, victims=victims)


def carry_out(opened: Opened, output: Path, begun_in: Callable[[Path], None] = lambda path: None) -> Record:
    """Do what has been opened; for the errors see `run`.

    Args:
        opened: the run.
        output: a new run makes a folder in here.
        begun_in: is told the run's folder as soon as it is made.
    """
    plan, work, source, record = opened.plan, opened.work, opened.source, opened.record
    if plan.batch == batch_size.AUTO:
        batch = batch_size.chosen(work, source.shapes, largest(source, work.config, opened.ready))
        plan, work = plan._replace(batch=batch), work._replace(batch=batch)
        record = replace(record, runtime=plan.runtime())
    folder = _new_folder(plan, output) if opened.before is None else RunFolder(opened.before.path)
    begun_in(folder.path)
    with recording(folder, record.content(), "bench.attack", opened.begun) as journal:
        if opened.before is not None:
            print(f"{len(journal.entries)} of {count(len(source.names))} were done", file=sys.stderr)
        try:
            journal.check(dict(zip(source.positions, source.names, strict=True)))
            attack_all(work, source.without(journal.entries), folder, journal, opened.said, opened.ready)
            attacked = sum(one.sampling is not None for one in journal.in_order())
            evaluations = attacked * work.gradient_evaluations()
            record = replace(record, gradient_evaluations=evaluations, seconds=round(journal.elapsed(), 2))
            return finish(folder, record, journal)
        except Exception as error:
            if isinstance(error, OutOfMemoryError) or is_of_memory(error):
                raise _with_need(error, opened.memory) from error
            raise


def _new_folder(plan: Plan, parent: Path) -> RunFolder:
    return RunFolder.create(parent, folder_name(plan), plan.config.fingerprint())


def folder_name(plan: Plan) -> str:
    """Part of a folder's name between date and fingerprint."""
    name = plan.config.method.replace(":", "-")
    return name if plan.shard == WHOLE else f"{name}-{plan.shard.part}of{plan.shard.of}"


def _with_need(error: BaseException, memory: float) -> OutOfMemoryError:
    reason = str(error) if isinstance(error, OutOfMemoryError) else "out of memory"
    return OutOfMemoryError(f"{reason}; the estimate was {memory / 1e9:.1f} GB; use a smaller --batch or fewer coils")


def _within_memory(work: Work, shapes: list[tuple[int, int, int]]) -> tuple[Work, list[str]]:
    """The work by solvers whose matrices fit into memory, and a note for each solver that was replaced."""
    fitting = {one.label: batch_size.within_memory(one, shapes, work.batch) for one in work.victims}
    found = [note for _, notes in fitting.values() for note in notes]
    sources_now, victims = ([fitting[one.label][0] for one in group] for group in (work.sources, work.victims))
    return work._replace(sources=sources_now, victims=victims), found
