"""The end of a study that is recorded by slices."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.record.forms import Form
from bench.record.store import Line, Store
from bench.run.finish import exit_code


class Done(NamedTuple):
    """A study that has ended: its folder and its run.json."""

    folder: Path
    run: dict[str, Any]


def gathered(store: Store, forms: Mapping[str, Form], unusable: dict[str, str]) -> tuple[list[Line], dict[str, Any]]:
    """Write the files that are made of all units together.

    Args:
        store: of the study, which holds all units.
        forms: forms of the lines, by file name.
        unusable: by name, why slices cannot be used at all.

    Returns:
        The rows that did not fail, and the entries of run.json that every study has at its end.
    """
    content = store.read(forms)
    store.collect(content, all_pictures=True)
    units = content.images
    entries = {
        "status": "done",
        "folder": str(store.folder.path),
        "seconds": round(sum(unit.seconds for unit in units) + store.elapsed(), 2),
        "failed": unusable | {unit.case: unit.failed for unit in units if unit.failed is not None},
    }
    return [row for row in content.lines["images.jsonl"] if "failed" not in row], entries


def end(done: Done, drawn: str) -> int:
    """Say on stderr where the results are and what failed; returns the exit code.

    Args:
        done: the study.
        drawn: word for what it has drawn.
    """
    record = done.run
    print(f"{record['seconds']:.0f} s; record and {drawn} in {done.folder}", file=sys.stderr)
    for reason in dict.fromkeys(record["failed"].values()):
        print(f"failed: {reason}", file=sys.stderr)
    return exit_code(record["failed"])
