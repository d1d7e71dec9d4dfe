"""One run from configuration to record."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp

from bench.evaluate import scan, subjects
from bench.evaluate.evidence import not_checked
from bench.plan import protocol
from bench.plan.command_line import command_line, in_one_part
from bench.plan.config import RunConfig
from bench.plan.errors import OutOfMemoryError
from bench.plan.shards import WHOLE, Shard, positions_of
from bench.record.reading import read_json
from bench.record.record import Record, read
from bench.record.record_forms import BEGUN
from bench.record.records import RunFolder
from bench.record.run_record import RunRecord
from bench.record.store import Store, refuse_older
from bench.record.stored import Plan, Stored
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
    """A run whose data and methods are open, before a folder is made.

    Attributes:
        plan: what is to be done.
        work: the methods and their attacks.
        whole: source of all images.
        source: source of the images of this process's part.
        ready: slices that have been prepared already.
        said: kinds of doubts about the data that the user has read.
        record: content of run.json if the run begins.
        before: the run that goes on, or None.
        memory: estimate of the memory [bytes].
        begun: time when the work began, on the monotonic clock [s].
    """

    plan: Plan
    work: Work
    whole: sources.Source
    source: sources.Source
    ready: Ready
    said: set[str]
    record: RunRecord
    before: Stored | None
    memory: float
    begun: float


class Done(NamedTuple):
    """The part of a run that a process has done.

    Attributes:
        folder: folder of the run.
        failed: reasons of the images that failed in this process, by name.
        record: record of the whole run; None while images of other parts are not done.
    """

    folder: Path
    failed: dict[str, str]
    record: Record | None


def run(
    config: RunConfig,
    *,
    output: Path = Path("runs"),
    device: str = "auto",
    devices: int | None = None,
    batch: int | None = None,
    save_perturbations: bool = False,
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
        resume: the run of this configuration that goes on; it keeps its folder and what it saves.
        argv: the command line, if there is one.

    Returns:
        The record of the run, whose images may have failed.

    Raises:
        UsageError, InputFileError, OutputError, OutOfMemoryError: each with one line for the user.
    """
    opened = open_run(
        config, device=device, devices=devices, batch=batch, save_perturbations=save_perturbations, resume=resume,
        argv=argv,
    )  # fmt: skip
    record = carry_out(opened, lambda: folder_of(opened, output)).record
    assert record is not None  # only parts may lack images of others
    return record


def open_run(
    config: RunConfig,
    *,
    device: str = "auto",
    devices: int | None = None,
    batch: int | None = None,
    save_perturbations: bool = False,
    name: str | None = None,
    accept: Sequence[str] = (),
    shard: Shard = WHOLE,
    resume: Stored | None = None,
    argv: Sequence[str] | None = None,
) -> Opened:
    """Open data and methods of a run, print what it takes, and make nothing; for arguments and errors see `run`.

    Args:
        name: the user's label of the run, or None.
        accept: criteria by which the run is judged.
        shard: the part of the images that this process does.
    """
    begun = time.monotonic()
    sources.check_device(device)
    if resume is not None:
        refuse_older(resume.path)
        plan, argv = resume.plan._replace(shard=shard), resume.record.argv
        plan = plan if batch is None else plan._replace(batch=batch)
    else:
        argv = command_line(config) if argv is None else in_one_part(argv)
        plan = Plan(settled(config, argv), batch, save_perturbations, shard, name, tuple(accept))
    config = plan.config
    if not plan.batch:
        plan = plan._replace(batch=batch_size.automatic())
    attacked = subjects.sources(config)
    mesh = sources.mesh_of(devices)
    work = Work(config, attacked, subjects.victims(config, attacked), plan.batch or 1, plan.save_perturbations, mesh)
    whole = subjects.source_for(config, work.victims)
    source = whole.only(positions_of(plan.shard, whole.total))
    work, solved_otherwise = _within_memory(work, source.shapes)
    notes = [*notes_of(config, work, source), *solved_otherwise]
    memory, seconds = estimate(source.shapes, work)
    print(headline(plan, source, work, memory, seconds), file=sys.stderr)
    # Flags that do not fit the data leave nothing behind.
    first, ready = first_usable(source, config)
    work = _tried(work, first.data)
    print(sampling(first), file=sys.stderr)
    say_notes([*notes, *(f"{first.name}: {doubt.text}" for doubt in first.doubts)])
    content = beginning(config, {one.label: described(one) for one in work.victims}, argv, source, source.total, notes)
    content["device"] |= {"used": work.devices}
    restarts = min(getattr(one.attack.config, "restarts", 1) for one in work.sources)
    unknown = not_checked(bool(config.victims), config.check, restarts)
    content |= {"protocol_version": protocol.VERSION, "runtime": plan.runtime(), "threat_model": threat_model(work)}
    record = RunRecord(**content, name=plan.name, accept=list(plan.accept) or None, not_checked=unknown)
    said = {doubt.kind for doubt in first.doubts}
    return Opened(plan, work, whole, source, ready, said, record, resume, memory, begun)


def _tried(work: Work, data: SliceData) -> Work:
    """The work with what was learnt of a user's functions.  Raises UsageError if they cannot be used."""
    subjects.check_brought(work.sources, work.victims, data)
    subjects.check_scan(work.victims, data)
    threat = scan.build(work.config, None).allowed(data, jnp.float32(max(work.config.eps)))
    tried = {one.label: subjects.tried(one, threat) for one in work.victims}
    sources, victims = ([tried[one.label] for one in group] for group in (work.sources, work.victims))
    return work._replace(sources=sources, victims=victims)


def carry_out(opened: Opened, place: Callable[[], RunFolder], helps: bool = False) -> Done:
    """Do what has been opened, beside any other processes that work at the same folder; for the errors see `run`.

    Args:
        opened: the run.
        place: makes or names the folder, once it is known that the work can begin.
        helps: whether this process, when it has done its part, also does images of other parts.
    """
    plan, work, record = opened.plan, opened.work, opened.record
    if plan.batch == batch_size.AUTO:
        batch = batch_size.chosen(work, opened.source.shapes, largest(opened.source, work.config, opened.ready))
        plan, work = plan._replace(batch=batch), work._replace(batch=batch)
        record = replace(record, runtime=plan.runtime())
    folder = place()
    how = shlex.join(["python", "-m", "bench.attack", "--resume", str(folder.path)])
    if plan.shard != WHOLE and not helps:
        how += f" --shard {plan.shard}"
    failed: dict[str, str] = {}
    with recording(folder, record.content(), BEGUN, how, opened.begun) as (store, _, done):
        part = set(opened.source.positions)
        if done is not None:
            print(f"{len(store.done() & part)} of {count(len(part))} were done", file=sys.stderr)
        try:
            for source in [opened.source, *[opened.whole] * helps]:
                failed |= _attacked(opened._replace(work=work), source, store)
            return Done(folder.path, failed, _finished(opened, store))
        except Exception as error:
            if isinstance(error, OutOfMemoryError) or is_of_memory(error):
                raise _with_need(error, opened.memory) from error
            raise


def _attacked(opened: Opened, source: sources.Source, store: Store) -> dict[str, str]:
    """Do all images of a source that no other process does; returns those that failed, and why."""
    failed: dict[str, str] = {}
    while True:
        done = store.done()
        left = [position for position in source.positions if position not in done]
        if not left:
            return failed
        failed |= attack_all(opened.work, source.only(left), store, opened.said, opened.ready)
        # Another process is at what is left.  If it ends before that is done, this process does it.
        others = [position for position in left if not store.path(position).exists()]
        if others:
            store.wait_for(others[0])


def _finished(opened: Opened, store: Store) -> Record | None:
    """The record of the whole run, None while images of other parts are not done."""
    if len(store.done()) < opened.whole.total:
        return None
    path = store.folder.path
    with store.whole_run():
        record = RunRecord.of(read_json(path / "run.json", BEGUN))
        if record.done:  # by another process meanwhile
            return read(path)
        return finish(store, record, dict(enumerate(opened.whole.names)))


def folder_of(opened: Opened, output: Path) -> RunFolder:
    """Return the folder of a run in `output`: of the run that goes on, the folder of all parts, or a new folder."""
    config = opened.plan.config
    name, fingerprint = opened.plan.folder_name(), config.fingerprint()
    if opened.before is not None:
        return RunFolder(opened.before.path)
    if opened.plan.shard == WHOLE:
        return RunFolder.create(output, name, fingerprint)
    return RunFolder.shared(output, f"{name}-in-{opened.plan.shard.of}", fingerprint)


def _with_need(error: BaseException, memory: float) -> OutOfMemoryError:
    reason = str(error) if isinstance(error, OutOfMemoryError) else "out of memory"
    return OutOfMemoryError(f"{reason}; the estimate was {memory / 1e9:.1f} GB; use a smaller --batch or fewer coils")


def _within_memory(work: Work, shapes: list[tuple[int, int, int]]) -> tuple[Work, list[str]]:
    """The work by solvers whose matrices fit into memory, and a note for each solver that was replaced."""
    fitting = {one.label: batch_size.within_memory(one, shapes, work.batch) for one in work.victims}
    found = [note for _, notes in fitting.values() for note in notes]
    sources_now, victims = ([fitting[one.label][0] for one in group] for group in (work.sources, work.victims))
    return work._replace(sources=sources_now, victims=victims), found
