"""The run folder: run.json, images.jsonl and summary.csv.

images.jsonl is appended and flushed image by image.  All else is replaced as a whole, so that a reader never sees half
of one, whenever the run was stopped.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from bench.plan.errors import OutputError
from data_prep.process import at_stop

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
        """Make a new one, named by date, method and configuration, and by a number if others of its name are there."""
        first = parent / f"{datetime.now():%Y-%m-%dT%H-%M-%S}-{name}-{fingerprint}"
        with writing(first):
            parent.mkdir(parents=True, exist_ok=True)
        for number in itertools.count(1):
            path = first if number == 1 else first.with_name(f"{first.name}-{number}")
            with writing(path), suppress(FileExistsError):
                path.mkdir()
                break
        return cls(path)

    def append(self, rows: Iterable[dict[str, Any]], name: str = "images.jsonl") -> None:
        """Add lines to a file of JSON lines, on disk before this returns."""
        text = "".join(json.dumps(_finite(row)) + "\n" for row in rows)
        path = self.path / name
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write or replace a JSON file."""
        self.write(name, (json.dumps(_finite(value), indent=2) + "\n").encode())

    def write(self, name: str, content: bytes) -> None:
        """Write or replace a file as a whole."""
        with self.replacing(name) as file:
            file.write(content)

    @contextmanager
    def replacing(self, name: str) -> Iterator[BinaryIO]:
        """A new file that takes the place of the one of this name, at once, when the block has ended well."""
        path = self.path / name
        temporary = path.with_name(path.name + PART)
        with writing(path), _REPLACING, at_stop(lambda: temporary.unlink(missing_ok=True)):
            try:
                # In a stranger's folder it may be a link to a file of ours, or a pipe.
                temporary.unlink(missing_ok=True)
                with temporary.open("xb") as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                # What is left of it would fill a disk that is full already.
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
                raise

    def make(self, name: str) -> None:
        """Make a folder in it, unless it is there."""
        with writing(self.path / name):
            (self.path / name).mkdir(exist_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one line."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(f"cannot write {path}: {reason}; choose another folder with --output") from error


def shown_epsilon(eps: Iterable[float]) -> float:
    """The epsilon that figures and pages show, of those of a run."""
    return min(eps, key=lambda value: abs(value - _SHOWN_EPSILON))


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: they become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
