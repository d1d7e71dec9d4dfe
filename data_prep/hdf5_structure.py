"""Check the structures that the HDF5 library trusts when it opens a file or a group, before it opens them.

Two wrong bytes are enough to do harm (HDF5 2.0).  A driver information block in the superblock gives a length, and the
library fills up to 4 GiB.  The local heap with the names of a group has a free list.  If this list leads back to
itself, the library follows it for ever, and each step takes memory.  The layouts are described in the HDF5 file format,
sections II.A, III.D, IV.A.1 and IV.A.2.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNDEFINED = 2**64 - 1
_END = 1  # end of a free list
_SYMBOL_TABLE, _CONTINUATION = 0x11, 0x10
_MOST_BLOCKS = 100  # of an object's header; a group's header has one or two
_LARGEST_BLOCK = 2**20  # bytes
_LARGEST_HEAP = 2**24  # bytes of names, for a hundred thousand entries


class Superblock(NamedTuple):
    """The addresses in the superblock of a file.

    Attributes:
        base: offset that is added to all addresses.
        root: address of the root group's header.
    """

    base: int
    root: int


def check_superblock(raw: BinaryIO) -> Superblock:
    """Check an HDF5 file and its root group.

    Args:
        raw: the file, opened at its start.

    Returns:
        The addresses in its superblock.

    Raises:
        ValueError: If the file must not be opened by the library.
        struct.error: If the file is cut short, or an address leads out of it.
    """
    start, block = 0, raw.read(256)
    while block and not block.startswith(_SIGNATURE):
        start = max(512, 2 * start)
        raw.seek(start)
        block = raw.read(256)
    version, sizes = block[8:9], block[9:11] if block[8:9] > b"\x01" else block[13:15]
    if sizes != b"\x08\x08":
        raise ValueError("addresses are not of 8 bytes")
    if version > b"\x01":
        base, _, _, root = struct.unpack_from("<4Q", block, 12)
    else:
        base, _, _, driver, _, root, cached, heap = struct.unpack_from("<6QI12xQ", block, 24 + 4 * (version == b"\x01"))
        if driver != _UNDEFINED:
            raise ValueError("a driver of its own")
        if cached:  # these addresses are also in the header
            _check_heap(raw, base, heap)
    found = Superblock(base, root)
    check_group(raw, found, root)
    return found


def check_group(raw: BinaryIO, superblock: Superblock, header: int) -> None:
    """Check the heap of names of a group, if it has one.

    Args:
        raw: the file.
        superblock: its superblock.
        header: address of the group's header.

    Raises:
        ValueError: If the group must not be opened by the library.
        struct.error: If the file is cut short, or an address leads out of it.
    """
    for kind, content in _messages(raw, superblock.base, header):
        if kind == _SYMBOL_TABLE:
            _check_heap(raw, superblock.base, struct.unpack_from("<8xQ", content)[0])


def _messages(raw: BinaryIO, base: int, header: int) -> Iterator[tuple[int, bytes]]:
    """Type and content of each message of an object's header."""
    raw.seek(base + header)
    start = raw.read(16)
    modern = start.startswith(b"OHDR")
    if modern:
        flags = start[5]
        width = 1 << (flags & 3)
        before = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        raw.seek(base + header + before)
        length = int.from_bytes(raw.read(width), "little")
        blocks = [(header + before + width, length)]
        prefix, message = 0, struct.Struct("<BHB2x" if flags & 4 else "<BHB")
    else:
        blocks = [(header + 16, struct.unpack_from("<8xI", start)[0])]
        prefix, message = 0, struct.Struct("<HHB3x")
    for count, (address, length) in enumerate(blocks):
        if count >= _MOST_BLOCKS or length > _LARGEST_BLOCK:
            raise ValueError("a header without end")
        raw.seek(base + address)
        block, position = raw.read(length), prefix if count == 0 else prefix + 4 * modern
        while position + message.size <= len(block):
            kind, size, _ = message.unpack_from(block, position)
            content = block[position + message.size : position + message.size + size]
            position += message.size + size
            if kind == _CONTINUATION and len(content) >= 16:
                blocks.append(struct.unpack_from("<QQ", content))
            yield kind, content


def _check_heap(raw: BinaryIO, base: int, address: int) -> None:
    """Follow the free list of a local heap.

    Raises ValueError if it is longer than the heap, and struct.error if it leads out of the heap.
    """
    raw.seek(base + address)
    signature, size, free, content = struct.unpack("<4s4xQQQ", raw.read(32))
    if signature != b"HEAP":
        return  # the library reports this error itself
    if size > _LARGEST_HEAP:
        raise ValueError("a heap without end")
    raw.seek(base + content)
    names = raw.read(size)
    for _ in range(size // 16 + 1):
        if free == _END:
            return
        (free,) = struct.unpack_from("<Q", names, free)
    raise ValueError("a free list that leads back to itself")
