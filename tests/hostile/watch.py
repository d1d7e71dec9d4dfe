"""Watch that a reader keeps to its file: no program started, nothing written, no other file opened.

Python reports its own opens by audit events, but C libraries report nothing.  The kernel reports both, for one file.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

# A file that hostile files may refer to and no reader may open, and its bytes, which must appear nowhere.
CANARY_NAME = "outside.h5"
CANARY = b"CANARY!!"

_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "subprocess.", "socket.")
_OPENED = 0x1 | 0x20  # IN_ACCESS and IN_OPEN of inotify


def write_canary(path: Path) -> None:
    """Write a sound file that a reader would accept: as numbers its bytes are finite."""
    values = np.frombuffer(CANARY * 1536, "<c8").reshape(2, 2, 16, 24)
    with h5py.File(path, "w") as file:
        file["kspace"], file["image"], file["dataset/data"] = values, values[:, 0], values


class Watch:
    """A watch that begins when it is made; `take` returns forbidden actions."""

    def __init__(self, canary: Path, allowed: tuple[Path, ...]) -> None:
        """Begin to watch.

        Args:
            canary: the file outside.
            allowed: folders in which the interpreter may open any file.
        """
        self._seen: list[str] = []
        self._allowed = (*(f"{folder}/" for folder in allowed), *{sys.prefix, sys.base_prefix}, "/proc/", "/sys/")
        self._library = ctypes.CDLL(None, use_errno=True)
        self._kernel = self._library.inotify_init1(os.O_NONBLOCK)
        if self._library.inotify_add_watch(self._kernel, os.fsencode(canary), _OPENED) < 0:
            raise OSError(ctypes.get_errno(), "cannot watch the file outside")
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path = arguments[0]
            if isinstance(path, (str, bytes)) and not os.path.abspath(os.fsdecode(path)).startswith(self._allowed):
                self._seen.append(f"open {path!r}")
        elif event.startswith(_FORBIDDEN):
            self._seen.append(event)

    def take(self) -> list[str]:
        """List the forbidden actions since the last call."""
        seen, self._seen = self._seen, []
        try:
            if os.read(self._kernel, 2**16):
                seen.append("the file outside was opened")
        except BlockingIOError:
            pass
        return seen
