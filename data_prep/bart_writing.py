"""Write images as BART's pairs of .cfl and .hdr, with the dimensions that `data_prep.bart` reads."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.bart import DIMENSIONS, SLICES
from data_prep.image_formats import ImageVolume
from data_prep.whole import whole_file


def write(folder: Path, volume: ImageVolume) -> None:
    """Write `folder`/name.cfl and name.hdr: rows are dimension 0, the readout, columns 1 and slices 13.

    Args:
        folder: folder to write to.
        volume: the volume.

    Raises:
        OSError: If the system refuses.
    """
    slices, rows, columns = volume.images.shape
    sizes = [1] * DIMENSIONS
    sizes[0], sizes[1], sizes[SLICES] = rows, columns, slices
    with whole_file(folder / f"{volume.name}.cfl") as part:
        # The first dimension varies fastest.
        part.write_bytes(np.ascontiguousarray(volume.images.swapaxes(-2, -1), "<c8").tobytes())
    with whole_file(folder / f"{volume.name}.hdr") as part:
        part.write_text(f"# Dimensions\n{' '.join(map(str, sizes))}\n", encoding="ascii")
