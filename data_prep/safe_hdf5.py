"""Open and read untrusted HDF5 files.

A small HDF5 file can refer to bytes of other files, or declare far more data than it holds.  This module reads only
plain numbers that lie in the file itself, behind hard links, within the limits below.  Everything else is an
`InputError`.
"""

from __future__ import annotations

import math
import os
import stat
import struct
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from data_prep.cases import InputError
from data_prep.file_kinds import kind_of
from data_prep.hdf5_chunks import can_list_chunks, check_chunks
from data_prep.hdf5_filters import filter_words, filters, repacked
from data_prep.hdf5_structure import check_group, check_superblock
from jaxcs.names import printable

LARGEST_AXIS = 4096
LARGEST_DATASET = 8 * 2**30  # bytes
LARGEST_EXPANSION = 1000  # bytes declared for each byte of the file; gzip reaches about as much on zeros
LARGEST_TEXT = 2**20  # bytes
_COMPRESSION = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF}
_FILTERS = _COMPRESSION | {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
_KINDS = {"b": "boolean", "i": "integer", "u": "integer", "f": "real", "c": "complex"}


def refusal(path: str | Path, problem: str, remedy: str) -> InputError:
    """Make the error "path: problem: remedy", as one printable line for any file name."""
    return InputError(printable(f"{path}: {problem}: {remedy}"))


@contextmanager
def damaged(path: str | Path, what: str) -> Iterator[None]:
    """Turn every error raised in the block into an `InputError`, because h5py raises nearly every built-in exception.

    Mistakes of this package stay as they are, such as a call of a function that a library does not have.

    Args:
        path: the file that is read, for the message.
        what: the part of it that is read, for the message.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise refusal(path, f"{what} does not fit into memory", "use a machine with more memory") from error
    except Exception as error:
        if _is_own_mistake(error):
            raise
        problem = f"{what} cannot be read, the file is damaged, cut short or still being written"
        raise refusal(path, problem, "copy or download it again") from error


def _is_own_mistake(error: Exception) -> bool:
    """True if a line of this package, not of a library, raised an error that no content of a file should cause."""
    if not isinstance(error, AttributeError | ImportError | NameError | TypeError):
        return False
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return Path(frame.f_code.co_filename).parent == Path(__file__).parent


def check_regular(path: str | Path) -> os.stat_result:
    """Check that a path is a readable regular file.

    Returns:
        The operating system's information about the file.

    Raises:
        InputError: If the path is anything else.
    """
    try:
        # A pipe or a device would block or never end, so it must not even be opened.
        status = os.stat(path)
        regular = stat.S_ISREG(status.st_mode)
        if regular:
            Path(path).open("rb").close()
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        problem = getattr(error, "strerror", None) or "not a usable path"
        raise refusal(path, problem, "check the path and its permissions") from error
    if not regular:
        raise refusal(path, "not a regular file", "give a file")
    return status


@contextmanager
def open_file(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading.

    Raises:
        InputError: If the path does not exist, is not a regular file, is not permitted, or is not a readable HDF5 file.
    """
    check_regular(path)
    with damaged(path, "the HDF5 structure"):
        if not h5py.is_hdf5(path):
            known = kind_of(Path(path))
            if known is not None:
                raise refusal(path, f"not an HDF5 file, but {known.words}", known.remedy)
            raise refusal(path, "not an HDF5 file", "check that it was downloaded whole and unpacked")
        with open(path, "rb") as raw:
            check_superblock(raw)
        file = h5py.File(path, "r")
    with file:
        yield file


def holds(group: h5py.Group, name: str) -> bool:
    """Check whether a group, or a file's root group, has a link of this name; the link is not followed."""
    with damaged(group.file.filename, f"the group '{group.name}'"):
        return bool(group.id.links.exists(name.encode()))


def find_group(file: h5py.File, name: str) -> h5py.Group | None:
    """Find a group of the root group.

    Returns:
        The group, or None if it does not exist.

    Raises:
        InputError: If the name does not belong to a group of this file behind a hard link.
    """
    with damaged(file.filename, f"group '{name}'"):
        group = _linked(file, name)
        if group is not None and not isinstance(group, h5py.Group):
            raise refusal(file.filename, f"'{name}' is not a group", "give a file of the expected layout")
        if group is not None:
            with open(file.filename, "rb") as raw:
                check_group(raw, check_superblock(raw), h5py.h5g.get_objinfo(group.id, b".").objno[0])
        return group


def find_compound(group: h5py.Group, name: str) -> h5py.Dataset | None:
    """Find a dataset of records, whatever their fields; no values are read.

    Fields of variable length must not be read by the HDF5 library, see `read_text`.

    Returns:
        The dataset, one row of records, or None if it does not exist.

    Raises:
        InputError: If the dataset is not stored in this file, is empty, or declares more than the file can hold.
    """
    path = group.file.filename
    with damaged(path, f"dataset '{name}'"):
        dataset = _linked_dataset(group, name)
        if dataset is None:
            return None
        if dataset.dtype.names is None or not dataset.size or (dataset.size,) != dataset.shape[:1]:
            raise refusal(path, f"'{name}' is not a row of records", "give a file of the expected layout")
        _check_size(group, name, dataset)
        return dataset


def dataset_names(file: h5py.File, kinds: str) -> list[str]:
    """List the root group's datasets whose numpy kinds are in `kinds`; links to other places are skipped.

    Returns:
        The names, in order.  A name that is not UTF-8 has its bytes as surrogates.

    Raises:
        InputError: If the group is damaged.
    """
    with damaged(file.filename, "the root group"):
        return [name for name in _names(file, h5py.h5o.TYPE_DATASET) if file[_stored(name)].dtype.kind in kinds]


def group_names(file: h5py.File) -> list[str]:
    """List the groups in the root group, in order, with the same names and errors as `dataset_names`."""
    with damaged(file.filename, "the root group"):
        return _names(file, h5py.h5o.TYPE_GROUP)


def _names(file: h5py.File, kind: int) -> list[str]:
    hard = [name for name in sorted(file.id) if file.id.links.get_info(name).type == h5py.h5l.TYPE_HARD]
    # Groups are not opened, because their contents may be damaged.
    of_kind = [name for name in hard if h5py.h5o.get_info(file.id, name).type == kind]
    return [name.decode(errors="surrogateescape") for name in of_kind]


def _stored(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def find_dataset(file: h5py.File, name: str, kinds: str, axes: tuple[int, ...]) -> h5py.Dataset | None:
    """Find a dataset of the root group; no values are read.

    Args:
        file: the open file.
        name: name of the dataset.
        kinds: allowed numpy kinds of its type, out of "biufc".
        axes: allowed numbers of axes.

    Returns:
        The dataset, or None if it does not exist.

    Raises:
        InputError: If the dataset does not consist of plain numbers of such a kind and shape.  Also if it is not stored
            in this file, is empty, or exceeds the limits.
    """
    path = file.filename
    with damaged(path, f"dataset '{name}'"):
        dataset = _linked_dataset(file, name)
        if dataset is None:
            return None
        if dataset.dtype.kind not in kinds:
            wanted = " or ".join(dict.fromkeys(_KINDS[kind] for kind in kinds))
            remedy = f"store {wanted} numbers"
            if "c" in kinds and len(dataset.dtype.names or ()) == 2:
                real, imaginary = dataset.dtype.names
                remedy += f", which are k['{real}'] + 1j * k['{imaginary}'] in Python if k is what h5py reads"
            raise refusal(path, f"'{name}' has type {dataset.dtype}", remedy)
        shape = dataset.shape
        if shape is None or len(shape) not in axes:
            found = 0 if shape is None else len(shape)
            wanted = " or ".join(str(number) for number in axes)
            raise refusal(path, f"'{name}' has {found} axes", f"store it with {wanted}")
        if 0 in shape:
            raise refusal(path, f"'{name}' is empty, its shape is {shape}", "give a file with data")
        if max(shape) > LARGEST_AXIS:
            raise refusal(path, f"'{name}' has shape {shape}", f"keep every axis to at most {LARGEST_AXIS}")
        _check_size(file, name, dataset)
        return dataset


def read(dataset: h5py.Dataset, index: int | tuple[()] = ()) -> np.ndarray:
    """Read the values of a dataset from `find_dataset`.

    Args:
        dataset: the dataset.
        index: index on the first axis; () reads all values.

    Returns:
        The values.

    Raises:
        InputError: If the stored bytes are damaged.
    """
    where = "" if index == () else f" of slice {index}"
    with damaged(dataset.file.filename, f"'{dataset.name[1:]}'{where}"):
        check_chunks(dataset, index if isinstance(index, int) else None)
        # The values go into an array allocated here.  `dataset[index]` would fill its array with zeros first: reading
        # like this is a sixth faster.
        values = np.empty(dataset.shape if index == () else dataset.shape[1:], dataset.dtype)
        dataset.read_direct(values, np.s_[index])
        return values


def read_text(file: h5py.Group, name: str) -> bytes | None:
    """Read a dataset that holds one string.

    Args:
        file: the group of the dataset, or the file for its root group.
        name: name of the dataset.

    Returns:
        The bytes of the string, or None if the dataset does not exist.

    Raises:
        InputError: If the dataset is not one string of at most LARGEST_TEXT bytes stored in this file.
    """
    path = file.file.filename
    with damaged(path, f"dataset '{name}'"):
        dataset = _linked_dataset(file, name)
        if dataset is None:
            return None
        text = h5py.check_string_dtype(dataset.dtype)
        if text is None or dataset.size != 1 or dataset.ndim > 1:
            raise refusal(path, f"'{name}' is not one string", "store one string")
        _check_size(file, name, dataset)
        if text.length is None:
            return _variable_length_text(file, name, dataset)
        if text.length > LARGEST_TEXT:
            raise refusal(path, f"'{name}' has {text.length} bytes", f"store at most {LARGEST_TEXT}")
        check_chunks(dataset, None)
        return bytes(np.asarray(dataset[()]).reshape(-1)[0])


def _variable_length_text(file: h5py.Group, name: str, dataset: h5py.Dataset) -> bytes:
    """Read a string of variable length without the HDF5 library.

    The library trusts the lengths in a file.  A single wrong byte makes it allocate 4 GiB, or loop for ever over a heap
    object of length 0 (HDF5 2.0).  On disk the dataset is one entry, "length, heap, object".  A heap is a row of
    objects.  Each has a header of 16 bytes and contents padded to a multiple of 8 bytes (HDF5 file format, III.E and
    IV.A.2.d).
    """
    path, offset, creation = file.file.filename, dataset.id.get_offset(), file.file.id.get_create_plist()
    if offset is None or creation.get_sizes() != (8, 8):
        raise refusal(path, f"'{name}' is not stored contiguously", "store one string, not in chunks")
    with open(path, "rb") as raw:
        raw.seek(offset)
        length, heap_address, wanted = struct.unpack("<IQI", raw.read(16))
        raw.seek(heap_address + creation.get_userblock())
        signature, heap_size = struct.unpack("<4s4xQ", raw.read(16))
        if length > LARGEST_TEXT:
            raise refusal(path, f"'{name}' has {length} bytes", f"store at most {LARGEST_TEXT}")
        heap = raw.read(min(heap_size, 2 * LARGEST_TEXT))
    position = 0
    while signature == b"GCOL" and position + 16 <= len(heap):
        number, size = struct.unpack_from("<H6xQ", heap, position)
        content = heap[position + 16 : position + 16 + size]
        if number == wanted and length <= len(content):
            return content[:length]
        position += 16 + -(-size // 8) * 8
    raise refusal(path, f"'{name}' is damaged", "copy or download it again")


def number_attribute(file: h5py.File, name: str) -> float | None:
    """Read an attribute of the file that is a finite number.

    Returns:
        The number, or None if the attribute does not exist.

    Raises:
        InputError: If the attribute is not one finite real number.
    """
    with damaged(file.filename, f"attribute '{name}'"):
        if name not in file.attrs:
            return None
        attribute, value = file.attrs.get_id(name), math.nan
        if attribute.dtype.kind in "iuf" and attribute.get_space().get_simple_extent_npoints() == 1:
            value = float(np.asarray(file.attrs[name]).reshape(-1)[0])
        if not math.isfinite(value):
            raise refusal(file.filename, f"attribute '{name}' is not one finite number", "correct or delete it")
        return value


def _linked(group: h5py.Group, name: str) -> h5py.Dataset | h5py.Group | h5py.Datatype | None:
    """The object behind a hard link of the group, or None if the link does not exist."""
    # `name in group` and `group.get(name)` would follow an external link, and so open the file that it names.
    links, stored = group.id.links, _stored(name)
    if not links.exists(stored):
        return None
    if links.get_info(stored).type != h5py.h5l.TYPE_HARD:
        raise refusal(group.file.filename, f"'{name}' is a soft or external link", "store the data in the file itself")
    return group[stored]


def check_listable(path: str | Path, name: str, dataset: h5py.Dataset) -> None:
    """Raise InputError if the HDF5 library, which the message names, cannot list the chunks of the dataset."""
    if not can_list_chunks(dataset):
        problem = f"'{name}' is in chunks, which the HDF5 library {h5py.version.hdf5_version} cannot list"
        raise refusal(path, problem, "install an h5py that has HDF5 1.12.3 or newer")


def _linked_dataset(group: h5py.Group, name: str) -> h5py.Dataset | None:
    """The dataset behind a hard link of the group, or None if it does not exist; its values are stored in this file."""
    path = group.file.filename
    dataset = _linked(group, name)
    if dataset is None:
        return None
    if not isinstance(dataset, h5py.Dataset):
        where = "the root group" if group.name == "/" else f"the group '{group.name[1:]}'"
        raise refusal(path, f"'{name}' is not a dataset", f"store it as a dataset of {where}")
    creation = dataset.id.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL or creation.get_external_count() > 0:
        raise refusal(path, f"'{name}' has its values in other files", "store the data in the file itself")
    used = filters(dataset)
    # A filter used twice multiplies the expansion, so that no chunk's size could be trusted.
    if not set(used) <= _FILTERS or len(used) != len(set(used)):
        remedy = f"use none, or gzip, or lzf; {repacked('GZIP=4')}"
        raise refusal(path, f"'{name}' is stored with {filter_words(used)}", remedy)
    if used and dataset.shape is not None:
        check_listable(path, name, dataset)
    return dataset


def _check_size(group: h5py.Group, name: str, dataset: h5py.Dataset) -> None:
    """Raise InputError if the declared size exceeds LARGEST_DATASET, or is not credible for a file of this size."""
    # A chunk is unpacked whole, and it may be larger than the dataset.
    size = dataset.dtype.itemsize * max(math.prod(dataset.shape), math.prod(dataset.chunks or ()))
    if size > LARGEST_DATASET:
        raise refusal(group.file.filename, f"'{name}' declares {size} bytes", f"keep it to at most {LARGEST_DATASET}")
    held = group.file.id.get_filesize()
    if size > held * (LARGEST_EXPANSION if _COMPRESSION & set(filters(dataset)) else 1):
        problem = f"'{name}' declares {size} bytes, which a file of {held} bytes cannot hold"
        raise refusal(group.file.filename, problem, "copy or download it again")
