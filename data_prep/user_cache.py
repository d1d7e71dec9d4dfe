"""The user's cache: data that are kept between runs, and can be made again."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def user_cache(name: str) -> Path:
    """Give the folder jaxcs/`name` in XDG_CACHE_HOME, or else in the user's .cache.

    Args:
        name: name of the folder.

    Raises:
        OSError: If the user has no home.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "jaxcs" / name
    except RuntimeError as error:  # neither HOME nor an entry among the machine's users
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", "XDG_CACHE_HOME") from error


def make_own(folder: Path) -> None:
    """Make a folder of the cache for this user alone, unless it exists.

    Args:
        folder: the folder.

    Raises:
        PermissionError: If `check_own` refuses the folder.
        OSError: If the folder cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_own(folder)


def check_own(path: Path) -> None:
    """Check that no other user owns a folder or file of the cache, or can write to it.

    The contents of the cache decide results or are run as code.  A folder that a group shares is therefore refused,
    too.

    Args:
        path: the folder or file.

    Raises:
        PermissionError: If another user owns it or can write to it.
        FileNotFoundError: If it does not exist.
    """
    found = path.stat()
    if not hasattr(os, "getuid"):  # on Windows the user's folders are protected in another way
        return
    if found.st_uid != os.getuid():
        reason = "is another user's; name another folder by XDG_CACHE_HOME"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = "others can write to it; forbid that by chmod go-w"
    else:
        return
    raise PermissionError(errno.EACCES, reason, str(path))
