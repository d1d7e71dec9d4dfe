"""Unpack compressed chunks once to see that each is as long as it should be, before the HDF5 library does.

The library does not look (HDF5 2.0): of a chunk that unpacks to fewer bytes it reads on behind them, which ends in a
crash, or in the process's memory among the values; one that is shorter than its checksum crashes it as well; and one
that unpacks to a thousand times more is unpacked whole.
"""

from __future__ import annotations

import math
import zlib

import h5py

_GZIP, _LZF, _CHECKSUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF, h5py.h5z.FILTER_FLETCHER32
_CHECKSUM_LENGTH = 4  # bytes
_MOST_ONE_AT_A_TIME = 5_000


def check_chunks(dataset: h5py.Dataset, row: int | None) -> None:
    """Look at the chunks that hold a row of the first axis, or at all of them for None.

    The dataset's filters are among gzip, LZF, shuffle and Fletcher's checksum, each at most once.  Raises ValueError
    where a chunk must not be unpacked, and what zlib and h5py raise on damaged ones.
    """
    creation = dataset.id.get_create_plist()
    pipeline = [creation.get_filter(index) for index in range(creation.get_nfilters())]
    used, chunk = [code for code, *_ in pipeline], dataset.chunks
    if not used or chunk is None:
        return
    length = math.prod(chunk) * dataset.id.get_type().get_size()
    if _CHECKSUM in used[:-1]:
        raise ValueError("a checksum of what is not stored")
    # LZF unpacks into a buffer of the size that stands here.
    if _LZF in used and pipeline[used.index(_LZF)][2][2:3] != (length,):
        raise ValueError("LZF for chunks of another size")
    for info in stored_chunks(dataset):
        if row is None or info.chunk_offset[0] // chunk[0] == row // chunk[0]:
            _check_chunk(dataset, info, used, length)


def can_list_chunks(dataset: h5py.Dataset) -> bool:
    """Whether the HDF5 library says where the chunks are, in reasonable time.

    From 1.10.10 and 1.12.3 on it lists them.  From 1.10.5 on it tells one at a time, and goes through all to find it.
    """
    if hasattr(dataset.id, "chunk_iter"):
        return True
    pieces = [-(-size // length) for size, length in zip(dataset.shape, dataset.chunks or dataset.shape, strict=True)]
    return hasattr(dataset.id, "get_chunk_info") and math.prod(pieces) <= _MOST_ONE_AT_A_TIME


def stored_chunks(dataset: h5py.Dataset) -> list[h5py.h5d.StoreInfo]:
    """Place, size and filters of each chunk that the file holds; of a dataset of which `can_list_chunks` is true."""
    if not hasattr(dataset.id, "chunk_iter"):
        return [dataset.id.get_chunk_info(index) for index in range(dataset.id.get_num_chunks())]
    found: list[h5py.h5d.StoreInfo] = []
    dataset.id.chunk_iter(found.append)
    return found


def _check_chunk(dataset: h5py.Dataset, info: h5py.h5d.StoreInfo, used: list[int], length: int) -> None:
    applied = [code for index, code in enumerate(used) if not info.filter_mask >> index & 1]
    checksum = _CHECKSUM_LENGTH if _CHECKSUM in applied else 0
    # Incompressible bytes become longer by no more than this.
    if not checksum < info.size <= length + length // 1000 + 64:
        raise ValueError("a chunk of another size than its values have")
    unpacked = info.size - checksum
    if _GZIP in applied or _LZF in applied:
        stored = dataset.id.read_direct_chunk(info.chunk_offset)[1][:unpacked]
        unpacked = _length_of_gzip(stored, length) if _GZIP in applied else _length_of_lzf(stored)
    if unpacked != length:
        raise ValueError("a chunk that unpacks to another size than its values have")


def _length_of_gzip(stored: bytes, most: int) -> int:
    """How many bytes it unpacks to; one more than `most` for all that are more, -1 where it does not end."""
    unpacking = zlib.decompressobj()
    found = len(unpacking.decompress(stored, most + 1))
    return found if unpacking.eof or found > most else -1


def _length_of_lzf(stored: bytes) -> int:
    """How many bytes it unpacks to.  -1 or IndexError where its last piece is cut short."""
    position, found = 0, 0
    while position < len(stored):
        control = stored[position]
        if control < 32:  # so many bytes and one follow as they are
            position, found = position + control + 2, found + control + 1
        elif control < 224:  # a copy of what was there before
            position, found = position + 2, found + (control >> 5) + 2
        else:
            position, found = position + 3, found + stored[position + 1] + 9
    return found if position == len(stored) else -1
