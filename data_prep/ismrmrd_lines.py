"""The lines of an ISMRMRD raw file, read without the HDF5 library's support for values of variable length.

`data`, in the group `dataset` or another group, is a row of records.  Each record has a `head` of plain numbers, a
trajectory and the samples.  Trajectory and samples have variable length: on disk a record holds "length, heap, object"
instead.  The library trusts these references, so a wrong byte can make it allocate gigabytes or loop for ever (see
`data_prep.safe_hdf5`).

Here the references are followed by hand.  Each must lead to bytes within the file, and all lines together must not have
more bytes than the file.  The library is still trusted with the structure of the file: groups, types, and the index of
chunks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import h5py
import numpy as np

from data_prep.hdf5_chunks import stored_chunks
from data_prep.hdf5_filters import filter_words, filters, repacked
from data_prep.header import Header, parse
from data_prep.safe_hdf5 import (
    check_listable,
    damaged,
    find_compound,
    find_group,
    group_names,
    holds,
    open_file,
    read_text,
    refusal,
)

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("object", "<u4")])
_NUMBERS = (
    "flags",
    "encoding_space_ref",
    "number_of_samples",
    "active_channels",
    "discard_pre",
    "discard_post",
    "center_sample",
)
_COUNTERS = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", "contrast", "phase", "repetition", "set")
_LAYOUT = "give a file as the ISMRMRD library writes it"
GROUP = "dataset"
_MOST_GROUPS = 100
_LARGEST_NUMBER = 2**16 - 1  # of a head; ISMRMRD's numbers have 16 bits, except for the flags


class Lines(NamedTuple):
    """A file's header and lines; the samples stay in the file.

    Attributes:
        path: the file.
        group: name of the group that holds the lines.
        header: root of the XML header.
        heads: (line,) records of ISMRMRD's AcquisitionHeader.
        positions: (line,) position in the file at which the samples of a line begin [bytes].
    """

    path: Path
    group: str
    header: Header
    heads: np.ndarray
    positions: np.ndarray


def open_lines(path: Path) -> Lines:
    """Read the header and the lines of a file.

    Args:
        path: the file.

    Returns:
        The header, and the lines without their samples.

    Raises:
        InputError: If the file has no header or lines, is damaged, or has another layout.
    """
    with open_file(path) as file:
        name = _group_name(path, file)
        group = find_group(file, name)
        assert group is not None
        text = read_text(group, "xml")
        if text is None:
            raise refusal(path, f"no header '{name}/xml'", "give an ISMRMRD raw file with its header")
        header = parse(path, f"{name}/xml", text)
        dataset = find_compound(group, "data")
        if dataset is None:
            raise refusal(path, f"no lines '{name}/data'", "give an ISMRMRD raw file, not images")
        what = f"'{name}/data'"
        with damaged(path, f"dataset {what}"), open(path, "rb") as raw:
            records = _records(path, what, file, dataset, raw)
            heads, references = np.ascontiguousarray(records["head"]), records["data"]
            _check_lengths(path, file, heads, references)
            positions = _follow(path, raw, references)
    return Lines(path, name, header, heads, positions)


def _group_name(path: Path, file: h5py.File) -> str:
    """The name of the scan's group: the usual one, or the only one that holds data and header."""
    if holds(file, GROUP):
        return GROUP
    names = [name for name in group_names(file)[:_MOST_GROUPS] if _is_scan(file, name)]
    if not names:
        raise refusal(path, f"no group '{GROUP}', nor another one with 'data' and 'xml'", "give an ISMRMRD raw file")
    if len(names) > 1:
        words = ", ".join(f"'{name}'" for name in names)
        remedy = f"copy one to a file of its own: h5copy -i FILE -o NEW.h5 -s {names[0]} -d {GROUP}"
        raise refusal(path, f"{len(names)} groups with a scan, {words}", remedy)
    return names[0]


def _is_scan(file: h5py.File, name: str) -> bool:
    group = find_group(file, name)
    return group is not None and holds(group, "data") and holds(group, "xml")


def read_lines(lines: Lines, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """Read the samples of lines.

    Args:
        lines: the lines of the file.
        chosen: numbers of the lines to read.

    Yields:
        (coil, sample) complex64 for each line in the order of `chosen`, as stored.

    Raises:
        InputError: If the file has become shorter.
    """
    with open(lines.path, "rb") as raw:
        for line in chosen:
            head = lines.heads[line]
            coils, samples = int(head["active_channels"]), int(head["number_of_samples"])
            raw.seek(int(lines.positions[line]))
            content = raw.read(8 * coils * samples)
            if len(content) < 8 * coils * samples:
                raise refusal(lines.path, "line cut short", "copy or download it again")
            yield np.frombuffer(content, "<c8").reshape(coils, samples)


def _records(path: Path, what: str, file: h5py.File, dataset: h5py.Dataset, raw: BinaryIO) -> np.ndarray:
    """The records as they lie on disk, with references instead of values of variable length."""
    creation, kind = file.id.get_create_plist(), dataset.dtype
    fields = dict(kind.fields or {})
    head, counters = _fields(fields, "head"), _fields(_fields(fields, "head"), "idx")
    numbers = [head.get(name) for name in _NUMBERS] + [counters.get(name) for name in _COUNTERS]
    usual = all(number is not None and number[0].kind == "u" for number in numbers)
    if not usual or "data" not in fields or h5py.check_vlen_dtype(fields["data"][0]) != np.dtype("<f4"):
        raise refusal(path, f"{what} has records of {kind.names}, not ISMRMRD's", _LAYOUT)
    if used := filters(dataset):
        raise refusal(path, f"{what} is stored with {filter_words(used)}", repacked("NONE"))
    if creation.get_sizes() != (8, 8) or creation.get_userblock() or dataset.chunks is None:
        raise refusal(path, f"{what} is not in chunks, or behind a user block", f"{_LAYOUT}, in chunks")
    record = np.dtype(
        {
            "names": ["head", "data"],
            "formats": [fields["head"][0], _REFERENCE],
            "offsets": [fields["head"][1], fields["data"][1]],
            "itemsize": kind.itemsize,
        }
    )
    chunk, *others = dataset.chunks  # some writers store the row as a column, (line, 1)
    records = np.zeros(len(dataset), record)
    # All chunks are listed at once.  For each single chunk the library searches the whole index, which takes hours for
    # a long scan with one line in each chunk.
    check_listable(path, what.strip("'"), dataset)
    found = {info.chunk_offset: info for info in stored_chunks(dataset)}
    for first in range(0, len(dataset), chunk):
        info = found.get((first, *[0] * len(others)))
        if info is None or max(others, default=1) > 1 or info.size != chunk * record.itemsize:
            raise refusal(path, f"{what} has no lines from {first} on", "copy or download it again")
        raw.seek(info.byte_offset)
        part = records[first : first + chunk]
        part[:] = np.frombuffer(raw.read(part.nbytes), record)
    return records


def _fields(fields: dict, name: str) -> dict:
    """The fields of the record in the field `name`, each (type, offset); empty if that field is not a record."""
    return dict(fields[name][0].fields or {}) if name in fields else {}


def _check_lengths(path: Path, file: h5py.File, heads: np.ndarray, references: np.ndarray) -> None:
    """Raise InputError if a line is not as long as its head says, or if all lines together are longer than the file.

    Heads may have wider integers than ISMRMRD's if the numbers are no larger, so that no sum or product overflows.
    """
    for fields, names in ((heads, _NUMBERS[1:]), (heads["idx"], _COUNTERS)):
        for name in names:
            if (largest := int(fields[name].max())) > _LARGEST_NUMBER:
                problem = f"the heads of its lines have numbers up to {largest} as '{name}'"
                raise refusal(path, problem, f"correct it, ISMRMRD has at most {_LARGEST_NUMBER}")
    samples, coils = heads["number_of_samples"].astype(np.int64), heads["active_channels"].astype(np.int64)
    wrong = np.flatnonzero((references["length"] != 2 * samples * coils) | (samples * coils == 0))
    if len(wrong):
        problem = f"line {wrong[0]} does not hold the samples that its head declares"
        raise refusal(path, problem, "copy or download it again")
    if 8 * int(np.sum(samples * coils)) > file.id.get_filesize():
        raise refusal(path, "the lines declare more samples than the file can hold", "copy or download it again")


def _follow(path: Path, raw: BinaryIO, references: np.ndarray) -> np.ndarray:
    """The position in the file of each line's samples; every heap is walked once (HDF5 file format, III.E)."""
    size = raw.seek(0, 2)
    walked = 0
    positions = np.zeros(len(references), np.int64)
    order = np.argsort(references["heap"], kind="stable")
    heaps, starts = np.unique(references["heap"][order], return_index=True)
    for heap, members in zip(heaps, np.split(order, starts[1:]), strict=True):
        wanted: dict[int, list[int]] = {}
        for line in members:
            wanted.setdefault(int(references["object"][line]), []).append(int(line))
        for number, position, length in _objects(raw, int(heap), size):
            walked += 16
            if walked > size:  # overlapping heaps, made to be walked for ever
                raise refusal(path, "the lines lie in each other", "copy or download it again")
            for line in wanted.pop(number, ()):
                if 4 * int(references["length"][line]) > length:
                    raise refusal(path, f"line {line} is cut short", "copy or download it again")
                positions[line] = position
            if not wanted:
                break
        if wanted:
            line = min(min(group) for group in wanted.values())
            raise refusal(path, f"line {line} is not where the file says", "copy or download it again")
    return positions


def _objects(raw: BinaryIO, heap: int, file_size: int) -> Iterator[tuple[int, int, int]]:
    """Number, position and length of each object of the heap at an address; nothing if the address has no heap."""
    if heap + 16 > file_size:
        return
    raw.seek(heap)
    signature, heap_size = struct.unpack("<4s4xQ", raw.read(16))
    position, end = heap + 16, min(heap + heap_size, file_size)
    while signature == b"GCOL" and position + 16 <= end:
        raw.seek(position)
        number, length = struct.unpack("<H6xQ", raw.read(16))
        if number == 0 or position + 16 + length > end:  # object 0 is the free space at the end
            return
        yield number, position + 16, length
        position += 16 + -(-length // 8) * 8
