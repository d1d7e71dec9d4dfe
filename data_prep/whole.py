"""Files that appear whole or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_prep.process import at_stop


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends, and is gone if that fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(8)}.partial")
    try:
        with at_stop(lambda: part.unlink(missing_ok=True)):
            yield part
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)
