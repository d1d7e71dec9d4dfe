"""Write HDF5 so that a full disk is a Python error.

The HDF5 library keeps data back until a file is closed.  If it cannot write them then, it ends the process with a
segmentation fault.  Here the library writes to an object that accepts everything.  The first error is raised after the
file has been closed.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py


@contextmanager
def new_file(path: Path) -> Iterator[h5py.File]:
    """Create an HDF5 file, which is closed when the block ends.

    Args:
        path: the file to create.

    Yields:
        The open file.

    Raises:
        OSError: If the file could not be written; raised after it has been closed.
    """
    with _File(path, "w+b") as file:
        try:
            with h5py.File(file, "w") as content:
                yield content
        finally:
            # This error replaces the one that the library raises if it reads back data that were never written.
            if file.error is not None:
                raise file.error


class _File(io.FileIO):
    """A file that accepts every write.  error: the reason why it stored nothing more, or None."""

    error: BaseException | None = None

    def write(self, content) -> int:  # type: ignore[no-untyped-def]
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while left and self.error is None:
                left = left[super().write(left) :]
        except BaseException as error:  # an interruption would crash the library, too
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
            return self.tell() if size is None else size
