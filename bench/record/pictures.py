"""pictures.npz of a run, read with the caution that a file from a stranger deserves."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.plan.names import key_of
from bench.record.archives import damaged, opened, read_array

_MOST_MEMBERS = 100_000


class Pictures:
    """pictures.npz of a run, read picture by picture."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = ExitStack()
        self._archive = self._open.enter_context(opened(path))
        with damaged(path):
            self.keys = [key_of(name) for name in self._archive.namelist()]
            if len(self.keys) > _MOST_MEMBERS:
                raise ValueError(f"it holds {len(self.keys)} pictures, over {_MOST_MEMBERS}")
        self._known = set(self.keys)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def __enter__(self) -> Pictures:
        return self

    def __exit__(self, *error: object) -> None:
        self._open.close()

    def read(self, key: str, like: tuple[int, ...] | None = None) -> np.ndarray:
        """Read a picture, float16, of shape `like` if given; sizes are checked before anything is allocated."""
        with damaged(self._path):
            return read_array(self._archive, key, ("float16",), (2,), like)
