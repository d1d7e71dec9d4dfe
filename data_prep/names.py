"""Names that strangers chose, in one line or as a seed.

A file may be called by any bytes.  Python holds those that are no UTF-8 as lone surrogates.
"""

from __future__ import annotations

import sys
import zlib
from contextlib import suppress


def printable(text: str) -> str:
    """The text with a question mark in the place of each line break, control character and broken code point."""
    return "".join(character if character.isprintable() else "?" for character in text)


def let_out_any_name() -> None:
    """Let stdout take every name of a file: one that is no text leaves as the bytes that it is."""
    with suppress(AttributeError):  # where it is closed, or no stream of the system
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]


def checksum(name: str) -> int:
    """32 bits that depend on the name alone, for seeds."""
    return zlib.crc32(name.encode("utf-8", "surrogateescape"))
