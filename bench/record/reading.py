"""Read the files of a run folder with the caution that files from a stranger deserve.

A file is opened only if it is a regular file of a size that a run can have.  A pipe would block for ever, and a device
would never end.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.plan.errors import InputFileError
from bench.record.forms import Form, shown
from jaxcs.names import first_line, printable

# Far above the size of any run's file; a larger file is not a run's, and would only fill the memory.
MOST_BYTES = 256_000_000
MOST_BYTES_OF_LINES = 1_000_000_000
_SHOWN = 160  # characters of a reason in a message


def content_of(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a regular file of at most `most` bytes.  Raises OSError or ValueError, see `understanding`."""
    size = size_of(path, most)
    with path.open("rb") as file:
        return file.read(size)


def size_of(path: Path, most: int | None) -> int:
    """Return the size of a regular file of at most `most` bytes, unopened.  Raises OSError or ValueError."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is no regular file")
    if most is not None and status.st_size > most:
        raise ValueError(f"over {most // 1_000_000} MB")
    return status.st_size


def read_json(path: Path, form: Form, made_by: str = "bench.attack") -> Any:
    """Read a JSON file of this form.  Raises InputFileError, with one line, if it has not the form."""
    with understanding(path, made_by):
        found = parsed(content_of(path).decode("utf-8"))
        form(found)
    return found


def parsed(text: str) -> Any:
    """Parse standard JSON: neither NaN nor infinity, no name twice.  Raises ValueError or RecursionError."""
    return _DECODER.decode(text)


@contextmanager
def understanding(path: Path, made_by: str = "bench.attack") -> Iterator[None]:
    """Turn the errors of a missing or damaged record into one line; made_by: the command that writes such a file."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputFileError(f"{path}: is missing; name what {made_by} made") from error
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, ArithmeticError) as error:
        raise InputFileError(f"{path}: is damaged or no file of {made_by} ({reason_of(error)})") from error


def reason_of(error: BaseException) -> str:
    """Return the message of an error, for a part of a line."""
    line = first_line(error)
    words = line if type(error) is ValueError else f"{type(error).__name__}: {line}"
    return printable(words)[:_SHOWN]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{shown(twice)} is there twice")
    return found


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refused)
