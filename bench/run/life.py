"""The life of a run on the disk, whatever it computes: it begins or goes on, and is recorded until it ends."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Protocol

from bench.record import provenance
from bench.record.forms import Form
from bench.record.journal import Journal, held
from bench.record.record_forms import LINES
from bench.record.records import RunFolder
from bench.record.resumable import recorded
from bench.record.run_record import SCHEMA_VERSION
from bench.slices.sources import Source


class Configuration(Protocol):
    """Configuration that decides the numbers of a run."""

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        ...

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change with any field."""
        ...


def beginning(
    config: Configuration,
    methods: Mapping[str, Any],
    argv: Sequence[str],
    source: Source,
    images: int,
    notes: Iterable[str],
) -> dict[str, Any]:
    """Content of run.json that every run has from its beginning."""
    return {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_dict(),
        "fingerprint": config.fingerprint(),
        "methods": dict(methods),
        "argv": list(argv),
        "versions": provenance.versions(),
        "git": provenance.git_state(),
        "device": provenance.device(),
        "data": source.description,
        "data_sha256": source.sha256,
        "images": images,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "status": "running",
        "notes": list(notes),
    }


def say_notes(notes: Iterable[str]) -> None:
    """Print notes for the user."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


@contextmanager
def recording(
    folder: RunFolder, record: dict[str, Any], command: str, begun: float, forms: Mapping[str, Form] = LINES
) -> Iterator[Journal]:
    """Hold the folder, and keep run.json true, while the block computes; yields the journal of what is done.

    Args:
        folder: of the run, new or begun before.
        record: the content of run.json.
        command: that goes on with such a run by --resume, such as bench.attack.
        begun: when this process began, on the monotonic clock [s].
        forms: of the lines of each file of the records.

    Raises:
        OutputError: another process holds the folder.
        InputFileError: its records are damaged.
    """
    how = f"python -m {command} --resume {shlex.quote(str(folder.path))}"
    with held(folder, begun, forms) as journal, recorded(folder, record, how):
        folder.write_json("run.json", record)
        yield journal
