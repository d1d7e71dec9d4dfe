"""Where things are kept from one run to the next that can be made again."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


def user_cache(name: str) -> Path:
    """jaxcs/`name` in XDG_CACHE_HOME, or else in the user's .cache.  Raises OSError where the user has no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "jaxcs" / name
    except RuntimeError as error:  # neither HOME nor an entry among the machine's users
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", "XDG_CACHE_HOME") from error


def make_own(folder: Path) -> None:
    """Make a folder of the cache for this user alone, unless it is there.

    Raises PermissionError as `check_own` does, another OSError if it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_own(folder)


def check_own(path: Path) -> None:
    """Raise PermissionError if another user owns a folder or file of the cache, or can write to it.

    What is in the cache decides results or is run as code.  So one that a group shares is not used either.
    Raises FileNotFoundError if there is none.
    """
    found = path.stat()
    if not hasattr(os, "getuid"):  # on Windows the folders of a user are protected otherwise
        return
    if found.st_uid != os.getuid():
        reason = "is another user's; name another folder by XDG_CACHE_HOME"
    elif found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        reason = "others can write to it; forbid that by chmod go-w"
    else:
        return
    raise PermissionError(errno.EACCES, reason, str(path))
