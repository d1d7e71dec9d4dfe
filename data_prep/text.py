"""The encoding of a text whose writer did not say it.

UTF-8 and what begins with a byte order mark tell themselves.  All else is taken for Windows-1252, in which programs of
Western Europe and America wrote before, and of which Latin-1 is a part; any bytes are a text in it.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_OLDER = "cp1252"
_BLOCK = 2**20  # bytes


def decoded(content: bytes) -> str:
    """The text, without its byte order mark; bytes that mean nothing become a replacement character."""
    encoding = _marked(content) or ("utf-8" if _is_utf8([content]) else _OLDER)
    if encoding == "utf-16" and len(content) % 2:
        content += b"\0"  # as HDF5 cuts a last zero off
    return content.decode(encoding, errors="replace")


def encoding_of(path: Path) -> str:
    """The name of a file's encoding; the file is read in blocks, to its end.  Raises OSError."""
    with path.open("rb") as file:
        first = file.read(_BLOCK)
        blocks = chain([first], iter(lambda: file.read(_BLOCK), b""))
        return _marked(first) or ("utf-8" if _is_utf8(blocks) else _OLDER)


def _marked(content: bytes) -> str | None:
    return next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)


def _is_utf8(blocks: Iterable[bytes]) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for block in blocks:
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
