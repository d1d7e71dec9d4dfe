"""Read the arrays that `numpy.savez` wrote, with neither pickle nor NumPy's parser of headers.

The file is a zip archive.  Each member `NAME.npy` is a header and the bytes of an array.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib

import numpy as np

from jaxcs.weights.errors import WeightsError

MOST_EXPANSION = 16  # times that the arrays may be as large as the compressed file: weights hardly shrink
_MOST_AXES = 8
_HEADER = re.compile(
    rb"\{'descr': '([<>|]?[biufc][0-9]{1,2})', 'fortran_order': (True|False), "
    rb"'shape': \(((?:[0-9]{1,18}, ?){0,99}[0-9]{0,18})\), \} *\n"
)
# Errors of the standard library for archives that are damaged, encrypted or of an unknown kind.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    ValueError,
)


def read_npz(content: bytes) -> dict[str, np.ndarray]:
    """Read the arrays of numbers in the bytes of a file that `numpy.savez` wrote.

    Args:
        content: the bytes of the file.

    Returns:
        The arrays by name, read-only.

    Raises:
        WeightsError: If the file is of another kind, damaged or hostile, or holds other than arrays of numbers.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _DAMAGE as error:
        raise WeightsError("it is no file of numpy.savez, or it is cut short or damaged") from error
    members = archive.infolist()
    declared = sum(member.file_size for member in members)
    if declared > MOST_EXPANSION * len(content):
        raise WeightsError(f"its members declare {declared} bytes, too many for a file of {len(content)} bytes")
    arrays: dict[str, np.ndarray] = {}
    for member in members:
        name = member.filename.removesuffix(".npy")
        if name == member.filename or name in arrays:
            raise WeightsError(f"its member '{member.filename}' is no array, or is there twice")
        try:
            raw = archive.read(member)
        except _DAMAGE as error:
            raise WeightsError(f"its array '{name}' is damaged: download it again") from error
        arrays[name] = _array(name, raw)
    return arrays


def _array(name: str, raw: bytes) -> np.ndarray:
    """The array in the bytes of a member: a magic number, a version, the header's length, the header, the numbers."""
    if raw[:6] != b"\x93NUMPY" or raw[6:8] not in (b"\x01\x00", b"\x02\x00"):
        raise WeightsError(f"its member '{name}' is no array of NumPy")
    width = 2 * raw[6]
    start = 8 + width
    end = start + int.from_bytes(raw[8:start], "little")
    header = _HEADER.fullmatch(raw[start:end])
    if header is None:
        raise WeightsError(f"its array '{name}' is no plain array of numbers")
    try:
        dtype = np.dtype(header[1].decode())
    except TypeError as error:
        raise WeightsError(f"its array '{name}' is of a type that NumPy does not have") from error
    shape = tuple(int(size) for size in header[3].split(b",") if size.strip())
    if len(shape) > _MOST_AXES or math.prod(shape) * dtype.itemsize != len(raw) - end:
        raise WeightsError(f"its array '{name}' has {len(raw) - end} bytes, not those of {shape} x {dtype}")
    flat = np.frombuffer(raw, dtype, offset=end)
    return flat.reshape(shape, order="F" if header[2] == b"True" else "C")
