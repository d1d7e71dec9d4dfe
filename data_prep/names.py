"""Untrusted names as one printable line, or as a seed.

A file's name may consist of any bytes.  Python represents bytes that are not UTF-8 as lone surrogates.
"""

from __future__ import annotations

import codecs
import zlib
from contextlib import suppress


def _any_name(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode the bytes of a name that are not text as they are, and characters that a stream lacks with a backslash."""
    assert isinstance(error, UnicodeEncodeError)
    for handler in ("surrogateescape", "backslashreplace"):
        with suppress(UnicodeEncodeError):
            return codecs.lookup_error(handler)(error)
    raise error


# The name of the error handler with which streams encode such characters.
ANY_NAME = "jaxcs.any_name"
codecs.register_error(ANY_NAME, _any_name)


def checksum(name: str) -> int:
    """Compute 32 bits that depend on the name alone, for seeds."""
    return zlib.crc32(name.encode("utf-8", "surrogateescape"))
