"""pictures.npz of a run, read with the caution that a file from a stranger deserves."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np

from bench.plan.names import key_of, member_of
from bench.record.archives import damaged, opened

_MOST_SIDE = 4096
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
        """One picture, float16, of shape `like` if given.  Sizes are checked before anything is allocated for them."""
        with damaged(self._path), self._archive.open(member_of(key)) as file:
            size = self._archive.getinfo(member_of(key)).file_size
            version = np.lib.format.read_magic(file)
            if version != (1, 0):
                raise ValueError(f"array format {version}")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
            if dtype != np.float16 or fortran or len(shape) != 2 or not all(0 < side <= _MOST_SIDE for side in shape):
                raise ValueError(f"{key!r} is {dtype} of shape {shape}, and no picture")
            if like is not None and shape != like:
                raise ValueError(f"{key!r} is of shape {shape}, but its truth of {like}")
            count = shape[0] * shape[1]
            if size > 2 * count + 4096:
                raise ValueError(f"{key!r} is longer than its shape says")
            content = file.read(2 * count)
            if len(content) != 2 * count:
                raise ValueError(f"{key!r} is cut short")
            return np.frombuffer(content, np.float16).reshape(shape)
