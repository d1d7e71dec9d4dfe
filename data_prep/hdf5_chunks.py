"""Unpack compressed chunks once to check their length, before the HDF5 library unpacks them.

The library (HDF5 2.0) does not check.  If a chunk unpacks to too few bytes, the library reads beyond them, and either
crashes or returns the process's memory among the values.  A chunk shorter than its checksum crashes the library as
well.  A chunk that unpacks to a thousand times its declared size is unpacked whole.
"""

from __future__ import annotations

import math
import zlib

import h5py

_GZIP, _LZF, _CHECKSUM = h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF, h5py.h5z.FILTER_FLETCHER32
_CHECKSUM_LENGTH = 4  # bytes
_MOST_ONE_AT_A_TIME = 5_000


def check_chunks(dataset: h5py.Dataset, row: int | None) -> None:
    """Check the compressed chunks of a dataset.

    Args:
        dataset: a dataset whose filters are among gzip, LZF, shuffle and Fletcher's checksum, each at most once.
        row: index on the first axis, whose chunks are checked; None checks all chunks.

    Raises:
        ValueError: If a chunk must not be unpacked.
        Exception: Errors of zlib and h5py for damaged chunks.
    """
    creation = dataset.id.get_create_plist()
    pipeline = [creation.get_filter(index) for index in range(creation.get_nfilters())]
    used, chunk = [code for code, *_ in pipeline], dataset.chunks
    if not used or chunk is None:
        return
    length = math.prod(chunk) * dataset.id.get_type().get_size()
    if _CHECKSUM in used[:-1]:
        raise ValueError("a checksum of what is not stored")
    # LZF unpacks into a buffer whose size is this stored number.
    if _LZF in used and pipeline[used.index(_LZF)][2][2:3] != (length,):
        raise ValueError("LZF for chunks of another size")
    for info in stored_chunks(dataset):
        if row is None or info.chunk_offset[0] // chunk[0] == row // chunk[0]:
            _check_chunk(dataset, info, used, length)


def can_list_chunks(dataset: h5py.Dataset) -> bool:
    """Check whether the HDF5 library can give the positions of the chunks in reasonable time.

    From versions 1.10.10 and 1.12.3 on the library lists all chunks.  From 1.10.5 on it gives one chunk at a time, and
    searches all chunks for each.
    """
    if hasattr(dataset.id, "chunk_iter"):
        return True
    pieces = [-(-size // length) for size, length in zip(dataset.shape, dataset.chunks or dataset.shape, strict=True)]
    return hasattr(dataset.id, "get_chunk_info") and math.prod(pieces) <= _MOST_ONE_AT_A_TIME


def stored_chunks(dataset: h5py.Dataset) -> list[h5py.h5d.StoreInfo]:
    """List position, size and filters of each chunk that the file holds.

    Args:
        dataset: a dataset for which `can_list_chunks` is true.
    """
    if not hasattr(dataset.id, "chunk_iter"):
        return [dataset.id.get_chunk_info(index) for index in range(dataset.id.get_num_chunks())]
    found: list[h5py.h5d.StoreInfo] = []
    dataset.id.chunk_iter(found.append)
    return found


def _check_chunk(dataset: h5py.Dataset, info: h5py.h5d.StoreInfo, used: list[int], length: int) -> None:
    applied = [code for index, code in enumerate(used) if not info.filter_mask >> index & 1]
    checksum = _CHECKSUM_LENGTH if _CHECKSUM in applied else 0
    # Incompressible bytes grow by no more than this when they are compressed.
    if not checksum < info.size <= length + length // 1000 + 64:
        raise ValueError("a chunk of another size than its values have")
    unpacked = info.size - checksum
    if _GZIP in applied or _LZF in applied:
        stored = dataset.id.read_direct_chunk(info.chunk_offset)[1][:unpacked]
        unpacked = _length_of_gzip(stored, length) if _GZIP in applied else _length_of_lzf(stored)
    if unpacked != length:
        raise ValueError("a chunk that unpacks to another size than its values have")


def _length_of_gzip(stored: bytes, most: int) -> int:
    """The number of bytes that gzip data unpack to; `most` + 1 for all larger numbers, -1 if the data do not end."""
    unpacking = zlib.decompressobj()
    found = len(unpacking.decompress(stored, most + 1))
    return found if unpacking.eof or found > most else -1


def _length_of_lzf(stored: bytes) -> int:
    """The number of bytes that LZF data unpack to.  Returns -1 or raises IndexError if the last piece is cut short."""
    position, found = 0, 0
    while position < len(stored):
        control = stored[position]
        if control < 32:  # `control` + 1 literal bytes follow
            position, found = position + control + 2, found + control + 1
        elif control < 224:  # a copy of bytes that were unpacked before
            position, found = position + 2, found + (control >> 5) + 2
        else:
            position, found = position + 3, found + stored[position + 1] + 9
    return found if position == len(stored) else -1
