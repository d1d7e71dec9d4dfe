"""Mutations of sound files: blind changes of bytes, and changes of the numbers at which the formats rely on them."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from random import Random

_MOST_CHANGES = 6
_INTEGERS = [0, 1, 2, 3, 7, 8, 16, 127, 128, 255, 256, 4095, 4096, 4097, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**40]
_INTEGERS += [2**63 - 1, 2**63, 2**64 - 8, 2**64 - 1]
_TEXTS = [
    b"0",
    b"-1",
    b"1",
    b"4096",
    b"4097",
    b"99999",
    b"2147483648",
    b"9" * 30,
    b"0.5",
    b"1e308",
    b"nan",
    b"inf",
    b"",
]
_LETTERS = [b'"', b"<", b">", b"&", b"\n", b"\0", b",", b"[", b"{", b"\xff\xfe", b"\xc3", b"'"]
# HDF5 stores its numbers after these signatures, and in the first bytes of an object's header.
_SIGNATURES = re.compile(
    rb"\x89HDF|TREE|SNOD|HEAP|GCOL|OHDR|FRHP|FHDB|BTHD|FADB|EAHD|PK\x01\x02|PK\x05\x06|\x01\x00..\x01"
)
_DIGITS = re.compile(rb"\d+(\.\d+)?")


def mutate(content: bytes, rng: Random, other: bytes = b"") -> bytes:
    """Change a file's content a few times; the same state of `rng` gives the same changes.

    Args:
        content: the content.
        rng: random numbers.
        other: another file's content, from which pieces may be inserted.
    """
    if content.startswith(b"PK") and rng.random() < 0.7:
        return _in_archive(content, rng, other)
    if content[8:9] == b"{" and rng.random() < 0.7:
        return _in_header(content, rng, other)
    changed = bytearray(content)
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        if changed:
            rng.choice(_CHANGES)(changed, rng, other)
    return bytes(changed)


def _place(content: bytearray, rng: Random) -> int:
    """A position, half the time near the beginning of a structure.

    Most bytes of a file are values, which matter little.
    """
    if rng.random() < 0.5 and (found := [match.start() for match in _SIGNATURES.finditer(content)]):
        return min(rng.choice(found) + rng.randrange(96), len(content) - 1)
    return rng.randrange(len(content))


def _bit(content: bytearray, rng: Random, other: bytes) -> None:
    content[_place(content, rng)] ^= 1 << rng.randrange(8)


def _byte(content: bytearray, rng: Random, other: bytes) -> None:
    content[_place(content, rng)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))


def _integer(content: bytearray, rng: Random, other: bytes) -> None:
    """A little-endian integer becomes a special value, or a value near the old one."""
    width = rng.choice((2, 4, 8))
    place = min(_place(content, rng), max(len(content) - width, 0))
    place -= place % rng.choice((1, 2, 4, 8))
    old = int.from_bytes(content[place : place + width], "little")
    new = rng.choice((rng.choice(_INTEGERS), old + 1, old - 1, 2 * old, len(content), rng.randrange(len(content) + 1)))
    content[place : place + width] = (new % 256**width).to_bytes(width, "little")


def _cut(content: bytearray, rng: Random, other: bytes) -> None:
    if rng.random() < 0.3:  # seldom, because a truncated file is refused at once
        del content[_place(content, rng) :]


def _block(content: bytearray, rng: Random) -> slice:
    start = _place(content, rng)
    return slice(start, min(start + rng.choice((8, 16, 40, 256, 1024)), len(content)))


def _zero(content: bytearray, rng: Random, other: bytes) -> None:
    block = _block(content, rng)
    content[block] = bytes(block.stop - block.start)


def _copy(content: bytearray, rng: Random, other: bytes) -> None:
    """A block is copied over another block of its size."""
    block, place = _block(content, rng), _place(content, rng)
    piece = content[block][: len(content) - place]
    content[place : place + len(piece)] = piece


def _swap(content: bytearray, rng: Random, other: bytes) -> None:
    size = min(rng.choice((8, 16, 40, 256)), len(content) // 2)
    first, second = sorted(min(_place(content, rng), len(content) - size) for _ in range(2))
    size = min(size, second - first)
    a, b = content[first : first + size], content[second : second + size]
    content[first : first + size], content[second : second + size] = b, a


def _shift(content: bytearray, rng: Random, other: bytes) -> None:
    """A block is inserted or removed, so that all bytes after it move."""
    block = _block(content, rng)
    content[block] = content[block] * 2 if rng.random() < 0.5 else b""


def _splice(content: bytearray, rng: Random, other: bytes) -> None:
    """A block of the other file is inserted."""
    if other:
        start, place = rng.randrange(len(other)), _place(content, rng)
        piece = other[start : start + rng.choice((8, 40, 256, 2048))][: len(content) - place]
        content[place : place + len(piece)] = piece


def _text(content: bytearray, rng: Random, other: bytes) -> None:
    """A number that is written in digits is changed."""
    if found := list(_DIGITS.finditer(content)):
        content[slice(*rng.choice(found).span())] = rng.choice(_TEXTS)


def _letter(content: bytearray, rng: Random, other: bytes) -> None:
    place = rng.randrange(len(content))
    content[place : place + rng.randrange(2)] = rng.choice(_LETTERS)


_Change = Callable[[bytearray, Random, bytes], None]
_CHANGES: list[_Change] = [_bit, _byte, _integer, _integer, _integer, _cut, _zero, _copy, _swap, _shift, _splice]
_CHANGES += [_text, _letter]


def _in_archive(content: bytes, rng: Random, other: bytes) -> bytes:
    """Change one member of a zip archive, and make the archive sound again, or its checksum would reveal the change."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(file, "w") as out:
        names = archive.namelist()
        chosen = rng.choice([names[0]] * 3 + names)  # the first is the pickle
        for name in names:
            member = archive.read(name)
            out.writestr(zipfile.ZipInfo(name), mutate(member, rng, other) if name == chosen else member)
    return file.getvalue()


def _in_header(content: bytes, rng: Random, other: bytes) -> bytes:
    """Change the JSON of a safetensors file, and correct its length; the contents of the card are not signed."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = bytearray(content[8:end])
    for _ in range(rng.randint(1, _MOST_CHANGES)):
        if header:
            rng.choice((_text, _letter, _bit, _text, _shift))(header, rng, other)
    return len(header).to_bytes(8, "little") + header + content[end:]
