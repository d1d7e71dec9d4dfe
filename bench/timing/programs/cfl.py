"""BART's files: NAME.hdr, whose second line has the dimensions, and NAME.cfl, complex64 with the first axis fastest."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np


def write(path: Path, array: np.ndarray) -> None:
    """Write coil images or k-space (coil, ny, nx) as BART's (ny, nx, 1, coil)."""
    ordered = np.moveaxis(np.asarray(array, np.complex64), 0, -1)[:, :, None, :]
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{' '.join(map(str, ordered.shape))}\n")
    ordered.ravel(order="F").tofile(path.with_suffix(".cfl"))


def read(path: Path) -> np.ndarray:
    """Read BART's (ny, nx) or (ny, nx, 1, coil, ...).

    Returns:
        (ny, nx) or (coil, ny, nx) complex64.

    Raises:
        ValueError: the header has other dimensions or none, or the data are of another size.
    """
    lines = path.with_suffix(".hdr").read_text().splitlines()
    try:
        sizes = [int(word) for word in lines[lines.index("# Dimensions") + 1].split()]
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path.name}.hdr does not say its dimensions") from error
    sizes += [1] * (4 - len(sizes))
    ny, nx, slices, coils = sizes[:4]
    if slices * math.prod(sizes[4:]) != 1:
        raise ValueError(f"{path.name}.hdr has dimensions {sizes}, not those of one slice")
    flat = np.fromfile(path.with_suffix(".cfl"), np.complex64)
    if flat.size != ny * nx * coils:
        raise ValueError(f"{path.name}.cfl has {flat.size} values, its header says {ny * nx * coils}")
    array = np.moveaxis(flat.reshape((ny, nx, coils), order="F"), -1, 0)
    return array[0] if coils == 1 else array
