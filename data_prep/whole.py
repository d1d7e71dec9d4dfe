"""Files and folders that appear whole or not at all.

They are written beside their place as `.HEX.partial`, and renamed at the end.  Whoever writes one holds a lock on it,
by which a later run can tell what a killed process has left from what a living one is writing.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from data_prep import locks
from data_prep.process import at_stop

_PARTIAL = re.compile(r"\.[0-9a-f]{16}\.partial")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends, and is gone if that fails.

    Raises OSError, which names `path`, if the system refuses.
    """
    with _naming(path), _partial(path, folder=False) as (part, descriptor):
        yield part
        if descriptor is not None:
            # A quota, or the disk of another machine, may refuse only now what it has taken.
            os.fsync(descriptor)
        part.replace(path)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to write to; it gets that name when the block ends, and is gone if that fails.

    `path` must not exist, or be an empty folder.  Raises OSError, which names `path`, if the system refuses.
    """
    with _naming(path), _partial(path, folder=True) as (part, _):
        yield part
        for file in part.rglob("*"):
            if file.is_file():
                with file.open("rb") as content:
                    os.fsync(content.fileno())
        part.rename(path)


def remove_left(folder: Path) -> None:
    """Remove the unfinished files and folders that killed processes have left in a folder.

    What a living process writes stays; if the file system knows no locks, everything does.
    """
    with suppress(OSError):
        for part in folder.iterdir():
            if _PARTIAL.fullmatch(part.name):
                with suppress(OSError):
                    _remove_if_left(part)


def _remove_if_left(part: Path) -> None:
    if part.is_symlink() or not (part.is_file() or part.is_dir()):  # nothing of ours
        return
    descriptor = _open(part)
    try:
        locks.lock(descriptor)
        _remove(part)
    finally:
        os.close(descriptor)


@contextmanager
def _partial(path: Path, folder: bool) -> Iterator[tuple[Path, int | None]]:
    """A new file or folder beside `path`, locked, and its descriptor; removed at the end, unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part, descriptor = _made(path, folder)
    try:
        with at_stop(lambda: _remove(part)):
            yield part, descriptor
    finally:
        with suppress(OSError):
            _remove(part)
        if descriptor is not None:
            os.close(descriptor)


def _made(path: Path, folder: bool) -> tuple[Path, int | None]:
    while True:
        part = path.with_name(f".{secrets.token_hex(8)}.partial")
        if folder:
            part.mkdir()
        else:
            part.touch(exist_ok=False)
        if not locks.KNOWN:
            return part, None
        try:
            descriptor = _open(part)
        except FileNotFoundError:  # as below
            continue
        try:
            locks.lock(descriptor)
        except BlockingIOError:  # held by who takes it for left, because it was not yet locked
            os.close(descriptor)
            continue
        except OSError:  # the file system knows no locks, so that nobody takes it for left
            return part, descriptor
        if locks.is_at(descriptor, part):
            return part, descriptor
        os.close(descriptor)


def _open(part: Path) -> int:
    # Some file systems lock only what is open for writing, which a folder cannot be.
    return os.open(part, os.O_RDONLY if part.is_dir() else os.O_RDWR)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let errors of the system name this file or folder, if they name none or what is beside it."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or _PARTIAL.search(str(error.filename))):
            error.filename, error.filename2 = str(path), None
        raise
