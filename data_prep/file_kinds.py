"""Recognise files that are often given instead of k-space in HDF5, and say how to make k-space from them.

The first bytes of a file identify it.  If its format has no signature, the ending of its name does.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_START = 512  # bytes
_LOOKED_AT = 100  # files of a folder


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        words: the kind in words, "a ...".
        remedy: how to use such a file.
    """

    words: str
    remedy: str


def _raw(scanner: str, converter: str) -> Kind:
    return Kind(f"a raw file of a {scanner} scanner", f"convert it by {converter}, then by python -m data_prep ismrmrd")


_LAYOUT = "'kspace' of the axes slice, coil, row and column"
_MATLAB_7 = Kind(
    "a MATLAB file of version 7.3",
    f"store {_LAYOUT}, by import h5py; k = h5py.File('FILE.mat')['NAME'][()].swapaxes(-2, -1); "
    "h5py.File('NEW.h5', 'w')['kspace'] = (k['real'] + 1j * k['imag']).astype('c8'), if MATLAB's axes are row, column, "
    "coil and slice",
)
_MATLAB_5 = Kind(
    "a MATLAB file older than version 7.3",
    f"store {_LAYOUT}, by import h5py, scipy.io; k = scipy.io.loadmat('FILE.mat')['NAME']; "
    "h5py.File('NEW.h5', 'w')['kspace'] = k.transpose(3, 2, 0, 1).astype('c8'), if MATLAB's axes are row, column, coil "
    "and slice",
)
_NUMPY = Kind(
    "a file of NumPy arrays",
    f"store {_LAYOUT}, by import h5py, numpy; h5py.File('NEW.h5', 'w')['kspace'] = numpy.load('FILE').astype('c8')",
)
_NIFTI = Kind("a file of NIfTI images", "simulate their k-space by python -m data_prep images")
_DICOM = Kind(
    "a DICOM image, which holds no k-space",
    "convert it to NIfTI by dcm2niix and simulate k-space by python -m data_prep images, or give raw data",
)
_BART = Kind("a file of BART", "convert it by python -m data_prep bart")
_WEIGHTS = Kind("a file of a network's weights", "give it by --weights, and data by --data")
_PACKED = Kind("a packed file", "unpack it")
_SIEMENS, _GE = _raw("Siemens", "siemens_to_ismrmrd"), _raw("GE", "ge_to_ismrmrd")
_PHILIPS = _raw("Philips", "philips_to_ismrmrd")

# The position of a signature in the file, its bytes, and the kind that they identify.
_SIGNATURES = (
    (0, b"MATLAB 7.3 MAT-file", _MATLAB_7),
    (0, b"MATLAB 5.0 MAT-file", _MATLAB_5),
    (0, b"\x93NUMPY", _NUMPY),
    (128, b"DICM", _DICOM),
    (344, b"n+1\0", _NIFTI),
    (344, b"ni1\0", _NIFTI),
    (4, b"n+2\0", _NIFTI),
    (0, b"version https://git-lfs", Kind("a pointer of Git LFS, not the file itself", "fetch it by git lfs pull")),
    (0, b"<!DOCTYPE html", Kind("a web page", "download the file itself, which may need a login")),
    (0, b"<html", Kind("a web page", "download the file itself, which may need a login")),
    (257, b"ustar", _PACKED),
    (0, b"\x1f\x8b", _PACKED),
    (0, b"PK\x03\x04", _PACKED),
    (0, b"BZh", _PACKED),
    (0, b"\xfd7zXZ\0", _PACKED),
    (0, b"7z\xbc\xaf\x27\x1c", _PACKED),
    (0, b"\x28\xb5\x2f\xfd", _PACKED),
)
# These endings also identify packed files, because packed contents have their own signature.
_ENDINGS = {
    ".nii": _NIFTI,
    ".nii.gz": _NIFTI,
    ".npz": _NUMPY._replace(remedy=_NUMPY.remedy.replace("load('FILE')", "load('FILE')['NAME']")),
    ".pt": _WEIGHTS,
    ".pth": _WEIGHTS,
    ".ckpt": _WEIGHTS,
    ".safetensors": _WEIGHTS,
    ".cfl": _BART,
    ".hdr": _BART,
    ".dat": _SIEMENS,
    ".7": _GE,
    ".lab": _PHILIPS,
    ".raw": _PHILIPS,
    ".sin": _PHILIPS,
    ".list": _PHILIPS,
    ".data": _PHILIPS,
    ".dcm": _DICOM,
    ".ima": _DICOM,
    ".mat": _MATLAB_5,
}


def kind_of(path: Path) -> Kind | None:
    """Recognise a regular file.

    Args:
        path: the file.

    Returns:
        Its kind, or None if it is unknown here.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    signed = next((kind for place, mark, kind in _SIGNATURES if start[place:].startswith(mark)), None)
    named = next((kind for ending, kind in _ENDINGS.items() if path.name.lower().endswith(ending)), None)
    if named is None or signed not in (None, _PACKED):
        return signed
    return named._replace(words=f"by its name {named.words}")


def kind_in(folder: Path) -> tuple[Path, Kind] | None:
    """Find the first recognised file of a folder, among its first hundred files.

    Args:
        folder: the folder.

    Returns:
        The file and its kind, or None.

    Raises:
        OSError: If the folder or a file cannot be read.
    """
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    known = ((path, kind_of(path)) for path in files[:_LOOKED_AT])
    return next(((path, kind) for path, kind in known if kind is not None), None)
