"""Files that one process at a time may hold; the system lets go of them when that process ends, however it ends."""

from __future__ import annotations

import errno
import os

try:
    import fcntl
except ImportError:  # not on Windows, where nothing is held
    fcntl = None  # type: ignore[assignment]

KNOWN = fcntl is not None


def lock(descriptor: int) -> None:
    """Hold an open file or folder until it is closed.

    Raises BlockingIOError if another process holds it, and another OSError if the file system knows no locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_at(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Whether an open file is still the one at this path, and was not removed or replaced meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
