"""The finished part of a run: journal.jsonl, by which it goes on after a stop.

A line is added when all else that is recorded of a group of images is on disk, so that what has no line does not count.
The file is held by one process at a time, and is let go by the system when that process ends, however it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from bench.plan.errors import InputFileError, OutputError
from bench.record import arrays, holding
from bench.record.forms import Form, shown
from bench.record.lines import Entry, lacking, read_lines, whole_lines
from bench.record.reading import MOST_BYTES_OF_LINES, content_of, parsed, reason_of, size_of, understanding
from bench.record.record_forms import LINES, journal_line
from bench.record.records import PART, RunFolder, writing

NAME = "journal.jsonl"
RECORDS = tuple(LINES)


class Journal:
    """Images that are done.  entries: by position.  notes: of the run.

    seconds: that it took before; begun: when, on the monotonic clock, this process began.
    """

    def __init__(
        self, folder: RunFolder, entries: dict[int, Entry], notes: list[str], seconds: float, begun: float
    ) -> None:
        self.entries, self.notes = entries, notes
        self._folder, self._seconds, self._begun = folder, seconds, begun

    def elapsed(self) -> float:
        """Seconds of this process and of those before."""
        return self._seconds + time.monotonic() - self._begun

    def add(self, entries: list[Entry]) -> None:
        """A group is done."""
        self._folder.append([{"done": [asdict(entry) for entry in entries], "seconds": self.elapsed()}], NAME)
        self.entries |= {entry.position: entry for entry in entries}

    def note(self, text: str) -> None:
        """Keep a sentence for run.json."""
        self._folder.append([{"note": text}], NAME)
        self.notes.append(text)

    def check(self, names: Mapping[int, str]) -> None:
        """Raise InputFileError where an image that is done is none of the run's; names: of those, by position."""
        for position, entry in self.entries.items():
            if names.get(position) != entry.case:
                raise InputFileError(
                    f"{self._folder.path / NAME}: its records are damaged ({shown(entry.case)} is not image {position} "
                    "of the data); begin the run again"
                )

    def in_order(self) -> list[Entry]:
        """All entries as the images stand in the run's data."""
        return [self.entries[position] for position in sorted(self.entries)]


@contextmanager
def held(folder: RunFolder, begun: float, forms: Mapping[str, Form] = LINES, anew: bool = False) -> Iterator[Journal]:
    """The journal of a run that no other process is writing; whatever is not whole is cut off the folder's files.

    forms: of the lines of each file of `RECORDS`.  anew: begin with an empty folder, whatever is in it.
    Raises OutputError where another process holds it, InputFileError where its records are damaged.
    """
    path = folder.path / NAME
    _check_files(folder)
    with holding.held(path, "run", folder.path) as file:
        with writing(folder.path):
            if anew:
                _clear(folder, file)
            _cut_half_line(path)
            found = read(folder, begun)
            _keep_whole(folder, found, forms)
        yield found


def _clear(folder: RunFolder, file: BinaryIO) -> None:
    """Empty a folder but for its journal, which is held, and empty that."""
    if not os.path.samestat(os.fstat(file.fileno()), os.stat(folder.path / NAME)):
        raise OutputError(f"{folder.path}: another process has just been at this run; run the command again")
    file.truncate(0)
    for path in folder.path.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != NAME:
            path.unlink()


def read(folder: RunFolder, begun: float) -> Journal:
    """The journal as it stands; begun: when this process began.  Raises InputFileError where it is damaged."""
    path = folder.path / NAME
    entries: dict[int, Entry] = {}
    notes, seconds = [], 0.0
    for number, line in enumerate(whole_lines(path), start=1):
        if not line.endswith(b"\n"):
            break  # of a process that was stopped, or is at it
        try:
            content = parsed(line.decode("utf-8"))
            journal_line(content)
            group = [_entry(one) for one in content.get("done", ())]
        except (ValueError, TypeError, RecursionError) as error:
            reason = f"line {number}: {reason_of(error)}"
            raise InputFileError(f"{path}: its records are damaged ({reason}); begin the run again") from error
        notes += [content["note"]] if "note" in content else []
        seconds = content.get("seconds", seconds)
        entries |= {entry.position: entry for entry in group}
    if len({entry.case for entry in entries.values()}) < len(entries):
        raise InputFileError(f"{path}: its records are damaged (an image is there twice); begin the run again")
    return Journal(folder, entries, notes, seconds, begun)


def _entry(content: dict[str, Any]) -> Entry:
    return Entry(**content | {name: tuple(content[name]) for name in ("lines", "arrays")})


def _check_files(folder: RunFolder) -> None:
    """Raise InputFileError where what would be written to is a link out of the folder, or no file."""
    for name in (NAME, *RECORDS, *arrays.KINDS):
        path = folder.path / name
        if path.is_symlink():
            raise InputFileError(f"{path}: is a link; put what it leads to in its place")
        if name not in arrays.KINDS and path.exists():
            with understanding(path):
                size_of(path, MOST_BYTES_OF_LINES)


def _cut_half_line(path: Path) -> None:
    """In place, because the file is held."""
    with understanding(path):
        content = content_of(path, MOST_BYTES_OF_LINES)
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _keep_whole(folder: RunFolder, journal: Journal, forms: Mapping[str, Form]) -> None:
    """Keep in the journal and in the records only the images whose records are whole."""
    arrays.remove_left(folder)
    for path in folder.path.rglob("*" + PART):
        path.unlink(missing_ok=True)
    lines = {name: read_lines(folder.path / name, forms[name]) for name in RECORDS}
    lost = lacking(journal.in_order(), lines, arrays.Kept(folder))
    for entry in journal.in_order():
        if entry.case in lost:
            del journal.entries[entry.position]
    done = {entry.case for entry in journal.entries.values()}
    for name, found in lines.items():
        if found.damaged or not found.raw.keys() <= done:
            folder.write(name, b"".join(line for case, some in found.raw.items() if case in done for line in some))
    for kind in arrays.KINDS:
        for position, path in arrays.files_of(folder, kind).items():
            if position not in journal.entries:
                path.unlink(missing_ok=True)
    if lost:
        case, reason = next(iter(lost.items()))
        note = f"the records of {len(lost)} images were not whole ({shown(case)}: {reason}); they were computed again"
        print(f"note: {note}", file=sys.stderr)
        journal.note(note)


def rewrite(folder: RunFolder, name: str, choose: Callable[[list[str]], list[str]]) -> None:
    """Keep the lines of the cases that `choose` makes of all cases, in the order that it gives."""
    by_case: dict[str, list[bytes]] = {}
    path = folder.path / name
    if not path.exists():
        return
    before = path.read_bytes()
    for line in before.splitlines(keepends=True):
        if line.endswith(b"\n"):
            by_case.setdefault(json.loads(line)["case"], []).append(line)
    after = b"".join(line for case in choose(list(by_case)) for line in by_case[case])
    if after != before:
        folder.write(name, after)
