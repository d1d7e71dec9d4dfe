"""The life of a run on the disk, whatever it computes: it begins or goes on, and is recorded until it ends."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple

from bench.plan.config import Configuration
from bench.record import provenance
from bench.record.forms import Form
from bench.record.reading import read_json
from bench.record.records import RunFolder
from bench.record.resumable import recorded
from bench.record.run_record import SCHEMA_VERSION
from bench.record.store import Store
from bench.record.stored import continued
from bench.slices.sources import Source


def beginning(
    config: Configuration,
    methods: Mapping[str, Any],
    argv: Sequence[str],
    source: Source,
    images: int,
    notes: Iterable[str],
) -> dict[str, Any]:
    """Return the content of run.json that every run has from its beginning."""
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


class Going(NamedTuple):
    """A run that is going on.

    store: its images.  record: the content of run.json.  done: how many images were done before, None of a new run.
    """

    store: Store
    record: dict[str, Any]
    done: int | None


@contextmanager
def recording(folder: RunFolder, record: dict[str, Any], form: Form, how: str, begun: float) -> Iterator[Going]:
    """Begin a run, or go on with the run that is in the folder, and keep run.json true while the block computes.

    Args:
        folder: of the run.
        record: the content of run.json, if the run begins now.
        form: of run.json.
        how: the command that goes on with this work.
        begun: when this process began, on the monotonic clock [s].

    Raises:
        OutputError: the folder cannot be written.
        InputFileError: the run in the folder is another one, or damaged.
    """
    store = Store(folder, begun)
    try:
        done = None
        with store.whole_run():
            if (folder.path / "run.json").exists():
                record = continued(folder.path, read_json(folder.path / "run.json", form), record)
                done = len(store.done())
            folder.write_json("run.json", record)
        with recorded(store, how):
            yield Going(store, record, done)
    finally:
        store.close()
