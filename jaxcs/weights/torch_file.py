"""Read what `torch.save` wrote, without PyTorch.

The file is a zip archive with uncompressed members.  `NAME/data.pkl` is a pickle, in which tensors refer to storages by
number.  `NAME/data/0`, `NAME/data/1`, ... are the bytes of the storages.  PyTorch has used this format since version
1.6.  The older format is different and is refused.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from jaxcs.weights.errors import WeightsError
from jaxcs.weights.torch_pickle import LARGEST_PICKLE, Storages, read_pickle

LARGEST_FILE = 4 * 2**30  # bytes
MOST_AXES = 8
MOST_SHARED = 4  # times that the file's bytes may be used: each use is a copy once the tensors are parameters
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the old format begins with this pickled magic number
_TYPES = {
    "torch.FloatStorage": np.float32,
    "torch.DoubleStorage": np.float64,
    "torch.HalfStorage": np.float16,
    "torch.BFloat16Storage": jnp.bfloat16,
    "torch.LongStorage": np.int64,
    "torch.IntStorage": np.int32,
    "torch.ShortStorage": np.int16,
    "torch.CharStorage": np.int8,
    "torch.ByteStorage": np.uint8,
    "torch.BoolStorage": np.bool_,
    "torch.ComplexFloatStorage": np.complex64,
    "torch.ComplexDoubleStorage": np.complex128,
}
# Errors of the standard library for archives that are damaged, encrypted or of an unknown kind.
_DAMAGE = (
    zipfile.BadZipFile,
    struct.error,
    EOFError,
    OSError,
    ArithmeticError,
    LookupError,
    RuntimeError,
    ValueError,
)


def read_torch_file(content: bytes) -> dict[str, Any]:
    """Read the dictionary in the bytes of a file that `torch.save` wrote.

    Objects that are not plain values, containers or tensors come back without content, or are refused.  No name in the
    file is looked up or called.

    Args:
        content: the bytes of the file.

    Returns:
        The dictionary; its tensors are read-only NumPy arrays.

    Raises:
        WeightsError: If the file is of another kind, damaged or hostile, or holds no dictionary with text as keys.
    """
    if len(content) > LARGEST_FILE:
        raise WeightsError(f"it has {len(content)} bytes, more than the limit of {LARGEST_FILE}")
    if content.startswith(_LEGACY):
        remedy = "load it with PyTorch 1.6 or newer and save it again"
        raise WeightsError(f"it is in PyTorch's old format, that before version 1.6: {remedy}")
    archive = _Archive(content)
    storages = Storages(frozenset(_TYPES), archive.storage, archive.tensor)
    value = read_pickle(archive.read("data.pkl", LARGEST_PICKLE), storages)
    if type(value) is not dict or not all(type(key) is str for key in value):
        raise WeightsError("it holds no dictionary of weights: save it by torch.save(network.state_dict(), file)")
    return value


class _Storage(NamedTuple):
    """Consecutive numbers, of which tensors are views."""

    content: bytes
    dtype: np.dtype
    size: int


class _Archive:
    """The zip archive, with each member's size bounded by the archive's size."""

    def __init__(self, content: bytes) -> None:
        """Raise WeightsError if the archive is damaged, or declares more than it can hold."""
        self._storages: dict[str, bytes] = {}
        self._left = MOST_SHARED * len(content)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except _DAMAGE as error:
            raise WeightsError("it is no file of torch.save, or it is cut short or damaged") from error
        members = self._zip.infolist()
        pickles = [member.filename for member in members if member.filename.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise WeightsError(f"it is a zip archive with {len(pickles)} members data.pkl, not a file of torch.save")
        self._folder = pickles[0].removesuffix("data.pkl")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise WeightsError("it has compressed members, which torch.save does not write")
        declared = sum(member.file_size for member in members)
        if declared > len(content):
            raise WeightsError(
                f"its members declare {declared} bytes, which a file of {len(content)} bytes cannot hold"
            )
        if self._folder + "constants.pkl" in self._zip.namelist():
            raise WeightsError("it is a TorchScript program: save the weights alone, by torch.save of the state_dict")
        if self._folder + "byteorder" in self._zip.namelist() and self.read("byteorder", 16) != b"little":
            raise WeightsError("it was written on a big-endian machine: save it again on a little-endian one")

    def read(self, name: str, limit: int = LARGEST_FILE) -> bytes:
        """Read the member `name` of the archive's folder."""
        try:
            member = self._zip.getinfo(self._folder + name)
        except KeyError as error:
            raise WeightsError(f"it lacks its member '{name}'") from error
        if member.file_size > limit:
            raise WeightsError(f"its member '{name}' has {member.file_size} bytes, more than the limit of {limit}")
        try:
            return self._zip.read(member)
        except _DAMAGE as error:
            raise WeightsError(f"its member '{name}' is damaged: download it again") from error

    def storage(self, kind: str, key: str, size: int) -> _Storage:
        """Return the storage `key` of the type `kind`, which must have `size` elements."""
        if key not in self._storages:
            self._storages[key] = self.read(f"data/{key}")
        content, dtype = self._storages[key], np.dtype(_TYPES[kind])
        if size * dtype.itemsize != len(content):
            raise WeightsError(f"its storage '{key}' has {len(content)} bytes, not those of {size} x {dtype}")
        return _Storage(content, dtype, size)

    def tensor(self, storage: Any, offset: Any, shape: Any, strides: Any) -> np.ndarray:
        """Make a tensor by `_tensor`.  All tensors together are at most MOST_SHARED times as large as the file."""
        array = _tensor(storage, offset, shape, strides)
        self._left -= array.nbytes
        if self._left < 0:
            raise WeightsError("its tensors share their storages so often that together they are far larger than it")
        return array


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> np.ndarray:
    """A view of the storage; offset and strides count elements.

    It raises WeightsError if the view is not inside the storage, or has more elements than the storage.
    """
    if type(storage) is not _Storage or type(shape) is not tuple or type(strides) is not tuple:
        raise WeightsError("its pickle is damaged")
    if len(shape) != len(strides) or len(shape) > MOST_AXES:
        raise WeightsError(f"it holds a tensor of {len(shape)} axes and {len(strides)} strides")
    if not all(type(number) is int and 0 <= number <= LARGEST_FILE for number in (offset, *shape, *strides)):
        raise WeightsError("it holds a tensor whose shape, strides or offset are not plain counts")
    number = math.prod(shape)
    last = offset + sum((length - 1) * stride for length, stride in zip(shape, strides, strict=True))
    if number and (last >= storage.size or number > storage.size):
        raise WeightsError(
            f"it holds a tensor of shape {shape} that does not fit into its storage of {storage.size} elements"
        )
    if not number:
        return np.zeros(shape, storage.dtype)
    size = storage.dtype.itemsize
    return np.ndarray(shape, storage.dtype, storage.content, offset * size, [stride * size for stride in strides])
