"""Writing HDF5 so that a full disk is an error of Python.

The HDF5 library ends the process with a segmentation fault if it cannot write what it holds back until a file is
closed.  So it writes to an object that takes everything, and the first error is raised when the file has been closed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """A new HDF5 file, closed when the block ends.  Raises OSError, after that, if it could not be written."""
    with _File(path, "w+b") as file:
        try:
            with h5py.File(file, "w") as content:
                yield content
        finally:
            # In place of what the library raised if it read back what is not there.
            if file.error is not None:
                raise file.error


class _File(io.FileIO):
    """A file that never refuses.  error: why it took nothing more, or None."""

    error: BaseException | None = None

    def write(self, content) -> int:  # type: ignore[no-untyped-def]
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while left and self.error is None:
                left = left[super().write(left) :]
        except BaseException as error:  # an interruption, too, would be the library's death
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size
