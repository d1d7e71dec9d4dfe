"""The folder of a run.  Its files are replaced as a whole, so that a reader never sees half of a file."""

from __future__ import annotations

import errno
import itertools
import json
import math
import os
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from bench.plan.errors import OutputError
from data_prep.process import at_stop
from data_prep.whole import check_replaceable

# The end of the name of a file that is not whole yet.
PART = ".part"
# The epsilon nearest to this one is shown as pictures.
_SHOWN_EPSILON = 0.05
# Held by the thread that replaces a file: a signal has that of a run replaced in another one.
_REPLACING = threading.RLock()


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, parent: Path, name: str, fingerprint: str) -> RunFolder:
        """Make a new folder, named by date, method and configuration, and by a number if that name is taken."""
        first = parent / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{name}-{fingerprint}"
        with writing(first):
            parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            path = first if number == 1 else first.with_name(f"{first.name}-{number}")
            with writing(path), suppress(FileExistsError):
                path.mkdir()
                break
        return cls(path)

    @classmethod
    def shared(cls, parent: Path, name: str, fingerprint: str) -> RunFolder:
        """Make the folder that all processes of a job share, or find it; it is named without a date."""
        path = parent / f"{name}-{fingerprint}"
        with writing(path):
            path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    def append(self, rows: Iterable[dict[str, Any]], name: str) -> None:
        """Add lines to a file of JSON lines, on disk before this returns."""
        path = self.path / name
        with writing(path), path.open("ab") as file:
            file.write(as_lines(rows))
            file.flush()
            os.fsync(file.fileno())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write or replace a JSON file."""
        self.write(name, (json.dumps(finite(value), indent=2) + "\n").encode())

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file as a whole."""
        with self.replacing(name) as file:
            file.write(content)

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """Yield a new file, which replaces the file of this name as a whole if the block ends without an error."""
        path = self.path / name
        # Another process may be replacing the same file.
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{PART}")
        with writing(path), _REPLACING, at_stop(lambda: temporary.unlink(missing_ok=True)):
            check_replaceable(path)
            try:
                with temporary.open("xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                # The rest of it would fill a disk that is full already.
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

    def make(self, name: str) -> None:
        """Make a folder in this folder, unless it is there."""
        with writing(self.path / name):
            (self.path / name).mkdir(exist_ok=True)


def check_new(path: Path) -> None:
    """Raise OutputError if a folder that is to be made is there."""
    with writing(path):
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose another folder with --output") from error


def shown_epsilon(eps: Iterable[float]) -> float:
    """Choose the epsilon that figures and pages show, of those of a run."""
    return min(eps, key=lambda value: abs(value - _SHOWN_EPSILON))


def as_lines(rows: Iterable[dict[str, Any]]) -> bytes:
    """Write values as lines of JSON."""
    return "".join(json.dumps(finite(row)) + "\n" for row in rows).encode()


def finite(value: Any) -> Any:
    """Return a value with null in place of NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
