"""Open a run's .npz files with the caution that files from a stranger deserve."""

from __future__ import annotations

import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bench.plan.errors import InputFileError
from bench.plan.names import member_of
from bench.record.reading import reason_of, size_of

_MOST_SIDE = 4096
_LONGEST_HEAD = 4096  # bytes of the description of an array
# Errors that zipfile and NumPy raise for damaged files.  OSError is left out: it is an error of the disk.
_DAMAGE = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, EOFError, RuntimeError, SyntaxError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError,
)  # fmt: skip


_COMPUTE_AGAIN = "delete it, and --resume computes again what was in it"


@contextmanager
def opened(path: Path, remedy: str = _COMPUTE_AGAIN) -> Iterator[zipfile.ZipFile]:
    """Open an archive of a run.  Raises InputFileError if it is no archive, or declares more than it holds.

    Nothing in it is compressed, so that nothing can be larger than the file.

    Args:
        path: the archive.
        remedy: what the user can do if it is damaged.
    """
    with damaged(path, remedy):
        try:
            size = size_of(path, None)
            archive = zipfile.ZipFile(path)
        except OSError as error:
            raise InputFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    with archive:
        with damaged(path, remedy):
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("it is compressed, as no run writes it")
            if sum(member.file_size for member in members) > size:
                raise ValueError("it declares more than it holds")
        yield archive


def read_array(
    archive: zipfile.ZipFile,
    key: str,
    types: tuple[str, ...],
    axes: tuple[int, ...],
    like: tuple[int, ...] | None = None,
) -> np.ndarray:
    """Read an array of an archive.  Sizes are checked before anything is allocated for them.

    Args:
        archive: the archive, of `opened`.
        key: name of the array.
        types: the types that it may have.
        axes: the numbers of axes that it may have.
        like: the shape that it must have, or None for any.

    Raises:
        ValueError, KeyError and others: it is damaged or missing, see `damaged`.
    """
    with archive.open(member_of(key)) as file:
        size = archive.getinfo(member_of(key)).file_size
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"array format {version}")
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        sound = dtype.name in types and not fortran and len(shape) in axes
        if not sound or not all(0 < side <= _MOST_SIDE for side in shape):
            raise ValueError(f"{key!r} is {dtype} of shape {shape}, as no run writes it")
        if like is not None and shape != like:
            raise ValueError(f"{key!r} is of shape {shape}, and not of {like}")
        length = math.prod(shape) * dtype.itemsize
        if size > length + _LONGEST_HEAD:
            raise ValueError(f"{key!r} is longer than its shape says")
        content = file.read(length)
        if len(content) != length:
            raise ValueError(f"{key!r} is cut short")
        return np.frombuffer(content, dtype).reshape(shape)


@contextmanager
def damaged(path: Path, remedy: str = _COMPUTE_AGAIN) -> Iterator[None]:
    """Turn the errors that a damaged archive raises in the block into one line."""
    try:
        yield
    except _DAMAGE as error:
        raise InputFileError(f"{path}: is damaged ({reason_of(error)}); {remedy}") from error
