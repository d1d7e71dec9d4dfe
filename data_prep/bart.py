"""Read k-space from BART's pairs of a header (.hdr) and raw values (.cfl).

The header's second line has the sizes of up to 16 dimensions, the values are complex64 with the first dimension
running fastest: 0 readout, 1 and 2 phase encodes, 3 coils, 13 slices (https://github.com/mrirecon/bart, misc/mri.h).
BART's centred unitary Fourier transform is that of `jaxcs.fourier`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.cases import InputError
from data_prep.layout import Volume

_DIMENSIONS, _COILS, _SLICES = 16, 3, 13
_LARGEST_HEADER = 65536
_LARGEST = 4096


def volumes(path: Path) -> Iterator[Volume]:
    """The pair of that name, with or without an ending, or all pairs of a folder.

    Of a scan with two phase encodes these are the image's rows and columns: the readout, which is always fully sampled,
    is transformed, and its places are the slices.

    Raises InputError for a pair that is not one, or has other dimensions.
    """
    if path.is_dir():
        headers = sorted(file for file in path.glob("*.hdr") if not file.name.startswith("."))
        if not headers:
            raise InputError(f"{path}: no .hdr file in this folder; give a folder of BART's pairs, or one of them")
    else:
        headers = [path.with_suffix(".hdr") if path.suffix in (".cfl", ".hdr") else path.with_name(path.name + ".hdr")]
    for header in headers:
        yield _volume(header)


def _volume(header: Path) -> Volume:
    sizes = _sizes(header)
    data = header.with_suffix(".cfl")
    _refuse_unless(data.is_file(), data, "does not exist", "give the pair of .hdr and .cfl")
    count = math.prod(sizes)
    bytes_found = data.stat().st_size
    _refuse_unless(
        bytes_found == 8 * count, data, f"has {bytes_found} bytes, its header says {8 * count}", "copy both files again"
    )
    others = [axis for axis, size in enumerate(sizes) if size > 1 and axis not in (0, 1, 2, _COILS, _SLICES)]
    _refuse_unless(not others, header, f"dimensions {others} have more than one entry", "extract one by BART's slice")
    readout, first, second, coils, slices = (sizes[axis] for axis in (0, 1, 2, _COILS, _SLICES))
    _refuse_unless(second == 1 or slices == 1, header, "has both partitions and slices", "extract a slice")
    values = np.fromfile(data, "<c8").reshape((slices, coils, second, first, readout))
    if second == 1:
        kspace = values[:, :, 0].swapaxes(-2, -1)
        notes: tuple[str, ...] = ()
    else:
        kspace = values[0].transpose(3, 0, 2, 1)  # readout, coil, second, first
        kspace = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes=0), axis=0, norm="ortho"), axes=0)
        notes = ("slices are places along the readout, by its Fourier transform",)
    kspace = np.ascontiguousarray(kspace, np.complex64)
    measured = np.any(kspace != 0, axis=(0, 1, 2))
    return Volume(
        name=header.stem,
        kspace=kspace,
        crop=(kspace.shape[-2], kspace.shape[-1]),
        mask=None if measured.all() else measured,
        notes=notes,
    )


def _sizes(header: Path) -> list[int]:
    """All 16 sizes."""
    try:
        with header.open("rb") as file:
            text = file.read(_LARGEST_HEADER)
    except OSError as error:
        raise InputError(f"{header}: {error.strerror}; give the pair of .hdr and .cfl") from error
    try:
        lines = text.decode("ascii").splitlines()
        sizes = [int(word) for word in lines[lines.index("# Dimensions") + 1].split()]
    except (UnicodeDecodeError, ValueError, IndexError):
        sizes = []
    good = 0 < len(sizes) <= _DIMENSIONS and all(0 < size <= _LARGEST for size in sizes)
    _refuse_unless(
        good, header, f"'# Dimensions' is not followed by up to 16 sizes from 1 to {_LARGEST}", "write it with BART"
    )
    return sizes + [1] * (_DIMENSIONS - len(sizes))


def _refuse_unless(good: bool, path: Path, problem: str, remedy: str) -> None:
    if not good:
        raise InputError(f"{path}: {problem}; {remedy}")
