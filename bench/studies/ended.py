"""The end of a study that is recorded by slices."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, NamedTuple

from bench.run.finish import exit_code


class Done(NamedTuple):
    """A study that has ended: its folder and its run.json."""

    folder: Path
    run: dict[str, Any]


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
