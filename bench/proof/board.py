"""Entries of a leaderboard: made from runs, kept in files, and verified."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path

from bench.plan.errors import InputFileError, UsageError
from bench.plan.protocol import protocol_of
from bench.proof.consistent import contradictions, same_lines
from bench.proof.facts import weights_of
from bench.proof.verification import Opened, Verified, opened, verify
from bench.record.entries import Entry, harm, read_entry
from bench.record.records import RunFolder, finite, writing
from bench.record.summary import summarise
from bench.slices.source import sha256_of
from jaxcs.evidence import BELOW_ITS_CARD, FLAGS
from jaxcs.names import did_you_mean


def add(runs: list[Path], folder: Path, despite: Collection[str]) -> list[str]:
    """Write the entries of finished runs into a board.

    If a method has an entry for the same data and protocol, the entry whose attack did more harm stays.

    Args:
        runs: run folders or dossiers.
        folder: folder of the board; it is made if it is not there.
        despite: flags that the entries may have.

    Returns:
        A sentence for each entry.

    Raises:
        UsageError: a run has other flags.
        InputFileError: a run has not finished or is damaged, or an entry is damaged.
        OutputError: the board cannot be written.
    """
    for flag in despite:
        if flag not in FLAGS:
            raise UsageError(f"--despite: unknown flag {flag!r}{did_you_mean(flag, FLAGS)}")
    entries = [entry for run in runs for entry in _of_run(run, folder, despite)]
    told = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        path = folder / entry.name
        if path.exists() and harm(read_entry(path)) > harm(entry):
            told.append(f"{path}: stays, because its attack did more harm than that of {entry.run}")
            continue
        RunFolder(folder).write_json(path.name, entry.content())
        told.append(str(path))
    return told


def entries(folder: Path) -> list[Entry]:
    """Read all entries of a board.

    Raises:
        InputFileError: there are none, or one is damaged.
    """
    try:
        paths = sorted(folder.glob("*.json"))
    except OSError as error:
        raise InputFileError(f"{folder}: cannot be read: {error.strerror or error}") from error
    if not paths:
        raise InputFileError(f"{folder}: holds no entry; python -m bench.leaderboard add RUN --board {folder} adds one")
    return [read_entry(path) for path in paths]


def verify_entry(path: Path, run: Path | None, data: str | None, weights: str | None) -> Verified:
    """Verify an entry and the run that it is of.

    Args:
        path: file of the entry.
        run: the run or its dossier, None for the path in the entry.
        data: path of the run's data, None for the path in its record.
        weights: file of the run's weights, None for that in its record.

    Raises:
        RunError: as `bench.proof.verification.verify` does.
    """
    entry = read_entry(path)
    with opened(path.parent / entry.run if run is None else run) as found:
        # The entry may come from a stranger.
        result = verify(found if run is not None else found._replace(trusted=False), data, weights)
        if found.changes:
            return result
        made = {one.name: one for one in _made(found, entry.run)}
    if entry.name not in made:
        return result._replace(differences=[*result.differences, f"{path}: is not of this run"])
    ours, theirs = (json.loads(json.dumps(finite(one.content()))) for one in (entry, made[entry.name]))
    names = [name for name in ours if ours[name] != theirs[name]]
    if "scores" in names and same_lines(theirs["scores"], ours["scores"]):
        names.remove("scores")
    return result._replace(
        differences=[*result.differences, *(f"{path}: {name!r} differs from that of the run" for name in names)]
    )


def _of_run(run: Path, folder: Path, despite: Collection[str]) -> list[Entry]:
    with opened(run) as found:
        if found.changes:
            raise InputFileError(f"{run}: {found.changes[0]}")
        made = _made(found, os.path.relpath(run.resolve(), folder.resolve()))
    for entry in made:
        if not entry.eps:
            raise InputFileError(f"{run}: has no epsilon above 0, so that nothing was attacked")
        unlisted = [flag for flag in entry.flags if flag not in despite]
        if unlisted:
            names = " ".join(f'"{flag}"' for flag in unlisted)
            raise UsageError(
                f"{run}: {entry.label} has flags that speak against it; --despite {names} lists them in its entry"
            )
    return made


def _made(found: Opened, path: str) -> list[Entry]:
    """An entry for each method of a run that is under its own attack."""
    record, begun = found.run()
    wrong = contradictions(record)
    if wrong:
        raise InputFileError(f"{record.folder}: {wrong[0]}")
    run = record.run
    cases = sorted(record.names("case"))
    data = {"sha256": run.data_sha256, "images": hashlib.sha256(json.dumps(cases).encode()).hexdigest()}
    made = []
    for label in record.names("source"):
        rows, method = record.select(source=label, victim=label), record.methods[label]
        raised = {flag for row in rows for flag in row.flags}
        if label in run.below_card:
            raised.add(BELOW_ITS_CARD)
        made.append(
            Entry(
                label=label,
                method={"name": method["method"], "config": method["config"], "weights": weights_of(method)},
                attack={"name": rows[0].attack, "config": method.get("attack_config", {})},
                data=data,
                protocol=protocol_of(begun.plan.config, run.protocol_version),
                scores=tuple(summarise(rows)),
                # Flags of a newer version come last.
                flags=(*(flag for flag in FLAGS if flag in raised), *sorted(raised - FLAGS.keys())),
                described=run.data,
                failed=len(run.failed),
                not_checked=tuple(run.not_checked),
                versions=run.versions,
                started=run.started,
                run=path,
                record=sha256_of(record.folder / "images.jsonl"),
            )
        )
    return made
