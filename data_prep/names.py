"""Names that strangers chose, in one line or as a seed.

A file may be called by any bytes.  Python holds those that are no UTF-8 as lone surrogates.
"""

from __future__ import annotations

import codecs
import zlib
from contextlib import suppress

from jaxcs.names import printable as printable


def _any_name(error: UnicodeError) -> tuple[str | bytes, int]:
    """A name's bytes that are no text leave as they are, characters that a stream lacks with a backslash."""
    assert isinstance(error, UnicodeEncodeError)
    for handler in ("surrogateescape", "backslashreplace"):
        with suppress(UnicodeEncodeError):
            return codecs.lookup_error(handler)(error)
    raise error


# How streams take what they cannot encode.
ANY_NAME = "jaxcs.any_name"
codecs.register_error(ANY_NAME, _any_name)


def checksum(name: str) -> int:
    """32 bits that depend on the name alone, for seeds."""
    return zlib.crc32(name.encode("utf-8", "surrogateescape"))
