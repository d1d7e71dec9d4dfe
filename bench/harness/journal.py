"""What of a run is done: journal.jsonl, by which it goes on after it was stopped.

A line is added when all else that is recorded of a group of images is on disk, so that what has no line does not count.
The file is held by one process at a time, and is let go by the system when that process ends, however it ends.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from bench.harness import arrays, holding
from bench.harness.errors import InputFileError
from bench.harness.records import PART, RunFolder, writing

NAME = "journal.jsonl"
RECORDS = ("images.jsonl", "searches.jsonl")


@dataclass(frozen=True)
class Entry:
    """One image that is done.

    position: among the images of the whole run.  failed: why, or None.  lines: how many it has in images.jsonl and in
    searches.jsonl.  arrays: the kinds that are kept of it.
    sampling: what its mask measured, and its scale.  thermal: the epsilon of its own noise; None where not known.
    """

    position: int
    case: str
    failed: str | None
    lines: tuple[int, int]
    arrays: tuple[str, ...] = ()
    sampling: dict[str, Any] | None = None
    thermal: float | None = None


class Journal:
    """What was done until now.  entries: by position.  notes: what was worth a note.

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

    def in_order(self) -> list[Entry]:
        """All entries as the images stand in the run's data."""
        return [self.entries[position] for position in sorted(self.entries)]


@contextmanager
def held(folder: RunFolder, begun: float) -> Iterator[Journal]:
    """The journal of a run that no other process is writing; whatever is not whole is cut off the folder's files.

    Raises OutputError where another process holds it, InputFileError where its records are damaged.
    """
    path = folder.path / NAME
    with holding.held(path, "run", folder.path):
        yield _recovered(folder, begun)


def read(folder: RunFolder, begun: float) -> Journal:
    """The journal as it stands; begun: when this process began."""
    entries: dict[int, Entry] = {}
    notes, seconds = [], 0.0
    for line in _lines(folder, NAME):
        if "note" in line:
            notes.append(line["note"])
            continue
        seconds = line["seconds"]
        group = [Entry(**one | {name: tuple(one[name]) for name in ("lines", "arrays")}) for one in line["done"]]
        entries |= {entry.position: entry for entry in group}
    return Journal(folder, entries, notes, seconds, begun)


def _recovered(folder: RunFolder, begun: float) -> Journal:
    try:
        with writing(folder.path):
            _cut_half_line(folder)
            found = read(folder, begun)
            _keep_whole(folder, found)
    except (ValueError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputFileError(f"{folder.path}: its records are damaged ({reason}); begin the run again") from error
    return found


def _cut_half_line(folder: RunFolder) -> None:
    """In place, because the file is held."""
    path = folder.path / NAME
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def _keep_whole(folder: RunFolder, journal: Journal) -> None:
    """Of the journal and of the records only those images whose records are whole."""
    arrays.remove_left(folder)
    for path in folder.path.rglob("*" + PART):
        path.unlink(missing_ok=True)
    counts = [Counter(line["case"] for line in _lines(folder, name)) for name in RECORDS]
    for entry in journal.in_order():
        lines = tuple(count[entry.case] for count in counts)
        if lines != entry.lines or not all(arrays.kept(folder, kind, entry.position) for kind in entry.arrays):
            del journal.entries[entry.position]
    done = {entry.case for entry in journal.entries.values()}
    for name in RECORDS:
        rewrite(folder, name, lambda cases: [case for case in cases if case in done])
    for kind in arrays.KINDS:
        for position, path in arrays.files_of(folder, kind).items():
            if position not in journal.entries:
                path.unlink(missing_ok=True)


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


def _lines(folder: RunFolder, name: str) -> list[dict[str, Any]]:
    """The lines of a file that are whole; none where there is no file."""
    path = folder.path / name
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
