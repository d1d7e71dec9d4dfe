"""Lock files, or single bytes of them; the system releases a lock when its process ends, however it ends."""

from __future__ import annotations

import errno
import os
from contextlib import suppress

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


def lock_byte(descriptor: int, byte: int, wait: bool = False) -> None:
    """Lock one byte of an open file for this process, until `unlock_byte` or until it closes any copy of the file.

    These locks also hold between machines that share a file system, if that supports locks at all.

    Args:
        descriptor: a file descriptor that may write.
        byte: the offset of the byte, which may be beyond the end of the file.
        wait: whether to wait while another process holds it.

    Raises:
        BlockingIOError: If another process holds it.
        OSError: If the file system does not support locks.
    """
    if fcntl is None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
    except PermissionError as error:  # some systems' word for a byte that is held
        raise BlockingIOError(error.errno, error.strerror) from error


def unlock_byte(descriptor: int, byte: int) -> None:
    """Release one byte of an open file, if the file system supports locks."""
    if fcntl is not None:
        with suppress(OSError):
            fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, byte)


def is_at(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Check whether an open file is still at this path, and was not removed or replaced meanwhile."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False
