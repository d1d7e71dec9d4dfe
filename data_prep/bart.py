"""Read k-space from BART's pairs of a header (.hdr) and raw values (.cfl).

The second line of the header has the sizes of up to 16 dimensions.  The values are complex64, and the first dimension
varies fastest: 0 readout, 1 and 2 phase encodes, 3 coils, 13 slices (https://github.com/mrirecon/bart, misc/mri.h).
BART uses the same centred unitary Fourier transform as `jaxcs.fourier`.
"""

from __future__ import annotations

import math
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep.file_kinds import kind_of
from data_prep.fourier import inverse
from data_prep.layout import Volume
from data_prep.safe_hdf5 import LARGEST_AXIS, LARGEST_DATASET, check_regular, refusal

DIMENSIONS, _COILS, SLICES = 16, 3, 13
_LARGEST_HEADER = 65536  # bytes
_PAIR = "give the pair of .hdr and .cfl"


def volumes(path: Path) -> Iterator[Volume]:
    """Read one pair, or all pairs of a folder.

    In a scan with two phase encodes, these become the rows and columns of the image.  The readout is always fully
    sampled: it is transformed, and its positions become the slices.

    Args:
        path: a pair's name with or without an ending, or a folder.

    Yields:
        A volume for each pair.

    Raises:
        InputError: If a pair is incomplete or damaged, or has other dimensions.
    """
    if path.is_dir():
        headers = sorted(file for file in path.glob("*.hdr") if not file.name.startswith("."))
        if not headers:
            raise refusal(path, "no .hdr file in this folder", "give a folder of BART's pairs, or one of them")
    else:
        headers = [path.with_suffix(".hdr") if path.suffix in (".cfl", ".hdr") else path.with_name(path.name + ".hdr")]
        known = kind_of(path) if path.is_file() and not headers[0].exists() else None
        if known is not None:
            raise refusal(path, f"no pair of BART, but {known.words}", known.remedy)
    for header in headers:
        yield _volume(header)


def _volume(header: Path) -> Volume:
    sizes = _sizes(header)
    data = header.with_suffix(".cfl")
    if not data.is_file():
        raise refusal(data, "does not exist", _PAIR)
    found, declared = data.stat().st_size, 8 * math.prod(sizes)
    if found != declared:
        raise refusal(data, f"has {found} bytes, its header says {declared}", "copy both files again")
    if declared > LARGEST_DATASET:
        problem = f"declares {declared / 2**30:.1f} GiB, and at most {LARGEST_DATASET / 2**30:g} GiB are read"
        raise refusal(header, problem, "extract a part of it by BART's slice or extract")
    others = [axis for axis, size in enumerate(sizes) if size > 1 and axis not in (0, 1, 2, _COILS, SLICES)]
    if others:
        raise refusal(header, f"dimensions {others} have more than one entry", "extract one by BART's slice")
    readout, first, second, coils, slices = (sizes[axis] for axis in (0, 1, 2, _COILS, SLICES))
    if second > 1 and slices > 1:
        raise refusal(header, "has both partitions and slices", "extract a slice")
    values = np.fromfile(data, "<c8").reshape((slices, coils, second, first, readout))
    if second == 1:
        kspace = values[:, :, 0].swapaxes(-2, -1)
        notes: tuple[str, ...] = ()
    else:
        with np.errstate(over="ignore", invalid="ignore"):  # non-finite values are refused below
            kspace = inverse(values[0].transpose(3, 0, 2, 1), axes=(0,))  # readout, coil, first, second
        notes = ("slices are places along the readout, by its Fourier transform",)
    kspace = np.ascontiguousarray(kspace, np.complex64)
    if not np.isfinite(kspace).all():
        raise refusal(data, "holds NaN, infinity or too large numbers", "repair the file or leave it out")
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
    check_regular(header)
    with header.open("rb") as file:
        # Read as bytes: BART stores its command line below, and the names in it may have any encoding.
        lines = file.read(_LARGEST_HEADER).removeprefix(BOM_UTF8).splitlines()
    try:
        sizes = [int(word) for word in lines[lines.index(b"# Dimensions") + 1].split()]
    except (ValueError, IndexError):
        sizes = []
    if not 0 < len(sizes) <= DIMENSIONS or not all(0 < size <= LARGEST_AXIS for size in sizes):
        problem = f"'# Dimensions' is not followed by up to 16 sizes from 1 to {LARGEST_AXIS}"
        raise refusal(header, problem, "write it with BART")
    return sizes + [1] * (DIMENSIONS - len(sizes))
