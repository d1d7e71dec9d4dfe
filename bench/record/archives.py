"""Open a run's .npz files with the caution that files from a stranger deserve."""

from __future__ import annotations

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.plan.errors import InputFileError
from bench.record.reading import reason_of, size_of

# Errors that zipfile and NumPy raise for damaged files.  OSError is left out: it is an error of the disk.
_DAMAGE = (
    ValueError, KeyError, IndexError, TypeError, AttributeError, ArithmeticError, EOFError, RuntimeError, SyntaxError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, tokenize.TokenError,
)  # fmt: skip


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive of a run.  Raises InputFileError if it is no archive, or declares more than it holds.

    Nothing in it is compressed, so that nothing can be larger than the file.
    """
    with damaged(path):
        try:
            size = size_of(path, None)
            archive = zipfile.ZipFile(path)
        except OSError as error:
            raise InputFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    with archive:
        with damaged(path):
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("it is compressed, as no run writes it")
            if sum(member.file_size for member in members) > size:
                raise ValueError("it declares more than it holds")
        yield archive


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Turn the errors that a damaged archive raises in the block into one line."""
    try:
        yield
    except _DAMAGE as error:
        raise InputFileError(
            f"{path}: is damaged ({reason_of(error)}); delete it, and --resume computes again what was in it"
        ) from error
