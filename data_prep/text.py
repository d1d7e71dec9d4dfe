"""The encoding of a text that does not declare it.

UTF-8, and texts that begin with a byte order mark, can be recognised.  All other texts are taken for Windows-1252,
which older programs in Western Europe and America wrote.  Latin-1 is a part of it, and any bytes are a text in it.
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
    """Decode a text, without its byte order mark; meaningless bytes become a replacement character."""
    encoding = _marked(content) or ("utf-8" if _is_utf8([content]) else _OLDER)
    if encoding == "utf-16" and len(content) % 2:
        content += b"\0"  # HDF5 cuts off a trailing zero byte
    return content.decode(encoding, errors="replace")


def encoding_of(path: Path) -> str:
    """Determine the encoding of a file, which is read in blocks to its end.

    Args:
        path: the file.

    Returns:
        The name of the encoding.

    Raises:
        OSError: If the file cannot be read.
    """
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
