"""Runs, studies and files that one process at a time may write to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bench.plan.errors import OutputError
from bench.record.records import writing
from data_prep import locks


@contextmanager
def held(path: Path, kind: str, of: Path) -> Iterator[BinaryIO]:
    """Hold the file `path` while the block lasts.  It is made if it is not there, and never replaced; yields it.

    kind, of: the thing that the file stands for, in words and by name.  Raises OutputError if another process holds it.
    """
    with writing(path):
        file = path.open("ab")
    with file:
        _lock(file.fileno(), kind, of)
        yield file


@contextmanager
def held_beside(path: Path, kind: str) -> Iterator[None]:
    """Hold a file that may be replaced, by another beside it that is gone when the block ends.

    The folder is made if it is not there, and removed if nothing was put into it.
    Raises OutputError if another process holds it.
    """
    beside, made = path.with_name(f".{path.name}.held"), not path.parent.exists()
    descriptor = _opened(beside, kind, path)
    try:
        yield
    finally:
        with suppress(OSError):
            beside.unlink()
            if made:
                path.parent.rmdir()
        os.close(descriptor)


def check_free(path: Path, argv: list[str]) -> None:
    """Check that no record of another command would be replaced.

    Args:
        path: file of the record.
        argv: the command line of this study.

    Raises:
        OutputError: the record of another command line is there, or something that is no record.
    """
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        before = None
    if not (isinstance(before, dict) and before.get("argv") == argv):
        raise OutputError(f"{path}: is there already, and not of this command; name another with --output")


def _opened(beside: Path, kind: str, of: Path) -> int:
    while True:
        with writing(beside):
            beside.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, kind, of)
            if locks.is_at(descriptor, beside):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # Its holder removed it between the two.
        os.close(descriptor)


def _lock(descriptor: int, kind: str, of: Path) -> None:
    try:
        locks.lock(descriptor)
    except BlockingIOError as error:
        raise OutputError(f"{of}: another process is at this {kind}; let it end, or stop it") from error
    except OSError:
        pass  # a file system without locks is no reason not to run
