"""Write files and folders that appear whole or not at all.

They are written next to their final place as `.HEX.partial`, and renamed at the end.  The writing process holds a lock
on them.  A later run can thereby distinguish the remains of a killed process from the files of a living process.
"""

from __future__ import annotations

import errno
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
    """Write a file whole or not at all.

    Args:
        path: the file; an older file is replaced.

    Yields:
        A path next to `path` to write to.  It replaces `path` when the block ends, and is removed if the block fails.

    Raises:
        OSError: If the system refuses; the error names `path`.
    """
    check_replaceable(path)
    with _naming(path), _partial(path, folder=False) as (part, descriptor):
        yield part
        if descriptor is not None:
            # A quota, or the disk of another machine, may refuse the written data only now.
            os.fsync(descriptor)
        part.replace(path)


def check_replaceable(path: Path) -> None:
    """Check that a new file may take this place: that it is free, or of a regular file.

    A rename would put a file in the place of a device, /dev/null for example, or of a pipe.

    Raises:
        OSError: If something else has this place; the error names `path`.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder whole or not at all.

    Args:
        path: the folder, which must not exist, or be empty.

    Yields:
        An empty folder next to `path` to write to.  It is renamed to `path` when the block ends, and removed if the
        block fails.

    Raises:
        OSError: If the system refuses; the error names `path`.
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

    Files of living processes stay.  If the file system does not support locks, everything stays.
    """
    with suppress(OSError):
        for part in folder.iterdir():
            if _PARTIAL.fullmatch(part.name):
                with suppress(OSError):
                    _remove_if_left(part)


def _remove_if_left(part: Path) -> None:
    if part.is_symlink() or not (part.is_file() or part.is_dir()):  # not a file or folder of this project
        return
    descriptor = _open(part)
    try:
        locks.lock(descriptor)
        _remove(part)
    finally:
        os.close(descriptor)


@contextmanager
def _partial(path: Path, folder: bool) -> Iterator[tuple[Path, int | None]]:
    """A new file or folder next to `path`, locked, and its descriptor; removed at the end, unless it was renamed."""
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
        except FileNotFoundError:  # the reason is given below
            continue
        try:
            locks.lock(descriptor)
        except BlockingIOError:  # another process takes the file for left, because it was not yet locked, and holds it
            os.close(descriptor)
            continue
        except OSError:  # the file system does not support locks, so that no process takes the file for left
            return part, descriptor
        if locks.is_at(descriptor, part):
            return part, descriptor
        os.close(descriptor)


def _open(part: Path) -> int:
    # Some file systems lock only files that are open for writing, but a folder cannot be open for writing.
    return os.open(part, os.O_RDONLY if part.is_dir() else os.O_RDWR)


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let errors of the system name this file or folder if they name no file, or its partial file."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and (error.filename is None or _PARTIAL.search(str(error.filename))):
            error.filename, error.filename2 = str(path), None
        raise
