"""One run folder out of those of its parts."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.plan.errors import InputFileError
from bench.plan.shards import WHOLE, Shard, positions_of
from bench.processes.distributed import FLAGS
from bench.record import arrays, journal
from bench.record.forms import shown
from bench.record.journal import Journal, held
from bench.record.lines import check_whole, read_lines
from bench.record.pictures import Pictures
from bench.record.record import Record
from bench.record.record_forms import LINES
from bench.record.records import RunFolder, writing
from bench.record.run_record import RunRecord
from bench.record.stored import Stored, also_on, difference, stored
from bench.run.finish import doubtful, finish
from jaxcs.names import printable

# Parts that are named where many are missing.
_MOST_NAMED = 8


def merge(paths: list[Path], output: Path) -> Record:
    """Write the run whose parts these are into a folder in `output`; returns its record.

    It is made in a hidden folder, which takes the run's name when it is whole; the next merge of the same run clears
    what a killed one has left there.
    Raises InputFileError if they are not all parts of one run, each once and whole.
    """
    begun = time.monotonic()
    parts = _in_order([stored(path) for path in paths])
    journals = [_complete(part) for part in parts]
    _check_disjoint(parts, journals)
    config = parts[0].plan.config
    name, fingerprint = config.method.replace(":", "-"), config.fingerprint()
    hidden = RunFolder(output / f".{name}-{fingerprint}.merging")
    with writing(hidden.path):
        hidden.path.mkdir(parents=True, exist_ok=True)
    with held(hidden, begun, anew=True) as whole:
        try:
            for part, one in zip(parts, journals, strict=True):
                for record_name in journal.RECORDS:
                    _append(part.path / record_name, hidden.path / record_name)
                whole.add(one.in_order())
            for kind in arrays.KINDS:
                arrays.pack(hidden, kind, [part.path / f"{kind}.npz" for part in parts], _order(whole))
            done = finish(hidden, _joined(parts, journals), whole)
            folder = RunFolder.create(output, name, fingerprint)
            done = done._replace(folder=folder.path, run=replace(done.run, folder=str(folder.path)))
            hidden.write_json("run.json", done.run.content())
            with writing(folder.path):
                hidden.path.rename(folder.path)
        except BaseException:
            shutil.rmtree(hidden.path, ignore_errors=True)
            raise
    return done


def _in_order(runs: list[Stored]) -> list[Stored]:
    """The parts by number.  Raises InputFileError unless they are all parts of one run, each once, and all done."""
    first = runs[0]
    by_part: dict[int, Stored] = {}
    for run in runs:
        shard = run.plan.shard
        if shard == WHOLE:
            raise InputFileError(f"{run.path}: is no part of a run; name runs that were made with --shard")
        if not run.record.done:
            status = printable(run.record.status)
            raise InputFileError(f"{run.path}: has not finished ({status}); bench.attack --resume goes on with it")
        reason = _of_another_run(first, run)
        if reason is not None:
            raise InputFileError(f"{run.path}: is no part of the run that {first.path} is of: {reason}")
        there = by_part.setdefault(shard.part, run)
        if there is not run:
            raise InputFileError(f"{run.path}: is part {shard}, as is {there.path}; name each part once")
    of = first.plan.shard.of
    missing = [part for part in range(1, of + 1) if part not in by_part]
    if missing:
        names = ", ".join(str(Shard(part, of)) for part in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} others" if len(missing) > _MOST_NAMED else ""
        raise InputFileError(f"part{'s' * (len(missing) > 1)} {names}{more} missing; name the runs of all parts")
    return [by_part[part] for part in sorted(by_part)]


def _of_another_run(first: Stored, run: Stored) -> str | None:
    """Why two are no parts of one run, None where they are."""
    if run.plan.config != first.plan.config:
        one, other = first.plan.config.to_dict(), run.plan.config.to_dict()
        names = ", ".join(name for name in one if one[name] != other[name])
        return f"the configuration is not the same ({names})"
    if run.plan.shard.of != first.plan.shard.of:
        return f"it is part {run.plan.shard}, and not one of {first.plan.shard.of}"
    return difference(first.record.content(), run.record.content(), whole=False)


def _complete(part: Stored) -> Journal:
    """The journal of a part.  Raises InputFileError where it, or what is recorded of an image, is not whole."""
    folder = RunFolder(part.path)
    found = journal.read(folder, 0.0)
    if sorted(found.entries) != positions_of(part.plan.shard, part.record.images):
        how = f"python -m bench.attack --resume {shlex.quote(str(part.path))}"
        raise InputFileError(f"{part.path}: lacks images; {how} computes them")
    lines = {name: read_lines(part.path / name, form) for name, form in LINES.items()}
    check_whole(part.path, lines, found.in_order(), arrays.Kept(folder))
    pictures = part.path / f"{arrays.PICTURES}.npz"
    if pictures.exists():
        with Pictures(pictures) as kept:
            for key in kept.keys:
                kept.read(key)
    return found


def _check_disjoint(parts: list[Stored], journals: list[Journal]) -> None:
    """Raise InputFileError where an image is in two parts."""
    found: set[str] = set()
    for part, one in zip(parts, journals, strict=True):
        cases = {entry.case for entry in one.in_order()}
        if found & cases:
            raise InputFileError(f"{part.path}: {shown(min(found & cases))} is in another part, too; begin it again")
        found |= cases


def _append(source: Path, target: Path) -> None:
    if not source.exists():  # a part all of whose images failed has no searches
        return
    with writing(target), source.open("rb") as part, target.open("ab") as whole:
        shutil.copyfileobj(part, whole)


def _order(whole: Journal) -> dict[str, int]:
    return {entry.case: entry.position for entry in whole.entries.values()}


def _joined(parts: list[Stored], journals: list[Journal]) -> RunRecord:
    """run.json of the whole, but for what is made of its images."""
    records = [part.record for part in parts]
    first = records[0]
    # Doubts about the images count those of a part, and are counted anew.
    counted = {note for one in journals for note in doubtful(one.in_order())}
    notes = [note for record in records for note in record.notes if note not in counted]
    notes += [note for record in records for note in also_on(first.content(), record.content())]
    return replace(
        first,
        runtime=first.runtime | {"shard": None},
        argv=in_one_part(first.argv),
        data_sha256={name: value for record in records for name, value in record.data_sha256.items()},
        started=min(record.started for record in records),
        notes=[*dict.fromkeys(notes), f"computed in {len(parts)} parts"],
        gradient_evaluations=sum(record.gradient_evaluations for record in records),
        seconds=round(sum(record.seconds for record in records), 2),
        parts=[str(part.path) for part in parts],
    )


def in_one_part(argv: Sequence[str]) -> list[str]:
    """The command line of the run in one part."""
    takes = {"--shard": 1} | FLAGS
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        flag, equals, _ = word.partition("=")
        if flag not in takes:
            kept.append(word)
        elif not equals:
            for _ in range(takes[flag]):
                next(words, None)
    return kept
