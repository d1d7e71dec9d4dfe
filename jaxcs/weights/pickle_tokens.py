"""The operations of a pickle, one after the other, limited to the operations that PyTorch writes.

Python's `pickletools` gives them too, but with warnings about the contents of a hostile file.  Its documentation
defines the codes and arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from jaxcs.weights.errors import WeightsError

_PLAIN = {
    b"(": "MARK",
    b"N": "NONE",
    b"\x88": "NEWTRUE",
    b"\x89": "NEWFALSE",
    b"}": "EMPTY_DICT",
    b"]": "EMPTY_LIST",
    b")": "EMPTY_TUPLE",
    b"\x85": "TUPLE1",
    b"\x86": "TUPLE2",
    b"\x87": "TUPLE3",
    b"t": "TUPLE",
    b"a": "APPEND",
    b"e": "APPENDS",
    b"s": "SETITEM",
    b"u": "SETITEMS",
    b"\x94": "MEMOIZE",
    b"\x93": "STACK_GLOBAL",
    b"Q": "BINPERSID",
    b"R": "REDUCE",
    b"\x81": "NEWOBJ",
    b"b": "BUILD",
    b".": "STOP",
}
# A number follows these codes.
_NUMBERS = {
    b"\x80": ("PROTO", struct.Struct("<B")),
    b"\x95": ("FRAME", struct.Struct("<Q")),
    b"J": ("VALUE", struct.Struct("<i")),
    b"K": ("VALUE", struct.Struct("<B")),
    b"M": ("VALUE", struct.Struct("<H")),
    b"G": ("VALUE", struct.Struct(">d")),
    b"q": ("PUT", struct.Struct("<B")),
    b"r": ("PUT", struct.Struct("<I")),
    b"h": ("GET", struct.Struct("<B")),
    b"j": ("GET", struct.Struct("<I")),
}
# A count of bytes follows these codes, and then the bytes of a text.
_TEXTS = {b"X": struct.Struct("<I"), b"\x8c": struct.Struct("<B"), b"\x8d": struct.Struct("<Q")}


def operations(content: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the name and the argument of each operation.

    The argument is a value, the index of the memo, or the pair of names of GLOBAL.  Operations that differ only in the
    size of their argument share a name: VALUE, PUT or GET.

    Raises:
        WeightsError: At an operation that weights do not need.
        IndexError, ValueError, struct.error: If the stream is cut short or damaged.
    """
    position = 0
    while True:
        code = content[position : position + 1]
        position += 1
        if code in _PLAIN:
            yield _PLAIN[code], None
        elif code in _NUMBERS:
            name, number = _NUMBERS[code]
            yield name, number.unpack_from(content, position)[0]
            position += number.size
        elif code in _TEXTS or code == b"\x8a":
            number = _TEXTS.get(code, _NUMBERS[b"K"][1])
            start = position + number.size
            position = start + number.unpack_from(content, position)[0]
            if position > len(content):
                raise IndexError("cut short")
            piece = content[start:position]
            yield "VALUE", str(piece, "utf-8") if code in _TEXTS else int.from_bytes(piece, "little", signed=True)
        elif code == b"c":
            ends = [content.index(b"\n", position)]
            ends.append(content.index(b"\n", ends[0] + 1))
            yield "GLOBAL", (str(content[position : ends[0]], "utf-8"), str(content[ends[0] + 1 : ends[1]], "utf-8"))
            position = ends[1] + 1
        elif code:
            raise WeightsError(f"its pickle holds the operation 0x{code.hex()}, which weights do not need")
        else:
            raise IndexError("cut short")
