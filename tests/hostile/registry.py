"""What a hand-made hostile file is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.hostile.seeds import write


class Hostile(NamedTuple):
    """A file that must be refused.

    kind: its reader in `tests.hostile.reading`.  reason: what is wrong with it, in a line.  suffix: its name's ending.
    content: makes its bytes.  place: puts it there where it is no file of bytes, such as a pipe.
    """

    kind: str
    reason: str
    suffix: str
    content: Callable[[], bytes] = bytes
    place: Callable[[Path], object] | None = None

    def make(self, folder: Path) -> Path:
        """Write it into the folder; its path."""
        path = folder / f"hostile{self.suffix}"
        if self.place is None:
            return write(path, self.content())
        self.place(path)
        return path


def pipe(path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(path)


def device(path: Path) -> None:
    """Reading it would never end."""
    path.symlink_to("/dev/zero")
