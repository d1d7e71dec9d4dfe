"""Where things are kept from one run to the next that can be made again."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def user_cache(name: str) -> Path:
    """jaxcs/`name` in XDG_CACHE_HOME, or else in the user's .cache.  Raises OSError where the user has no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "jaxcs" / name
    except RuntimeError as error:  # neither HOME nor an entry among the machine's users
        raise FileNotFoundError(errno.ENOENT, "there is no home folder", "XDG_CACHE_HOME") from error
