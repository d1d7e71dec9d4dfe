"""Lock files for one process at a time; the system releases a lock when its process ends, however it ends."""

from __future__ import annotations

import errno
import os

try:
    import fcntl
except ImportError:  # Windows has no fcntl; nothing is locked there
    fcntl = None  # type: ignore[assignment]

KNOWN = fcntl is not None


def lock(descriptor: int) -> None:
    """Lock an open file or folder until it is closed.

    Args:
        descriptor: its file descriptor.

    Raises:
        BlockingIOError: If another process holds the lock.
        OSError: If the file system does not support locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_at(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Check whether an open file is still at this path, and was not removed or replaced meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
