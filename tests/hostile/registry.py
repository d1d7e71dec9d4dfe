"""The type of hand-made hostile files."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.hostile.seeds import write


class Hostile(NamedTuple):
    """A file that must be refused.

    Attributes:
        kind: its reader in `tests.hostile.reading`.
        reason: its fault, in a line.
        suffix: ending of its name.
        content: makes its bytes.
        place: creates it at a path if it is not a file of bytes, such as a pipe.
    """

    kind: str
    reason: str
    suffix: str
    content: Callable[[], bytes] = bytes
    place: Callable[[Path], object] | None = None

    def make(self, folder: Path) -> Path:
        """Write the file into the folder; returns its path."""
        path = folder / f"hostile{self.suffix}"
        if self.place is None:
            return write(path, self.content())
        self.place(path)
        return path


def pipe(path: Path) -> None:
    """Make a pipe: reading it would wait for ever."""
    os.mkfifo(path)


def device(path: Path) -> None:
    """Make a link to a device: reading it would never end."""
    path.symlink_to("/dev/zero")
