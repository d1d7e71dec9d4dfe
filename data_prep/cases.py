"""One slice as it comes from a file or a phantom, before it is under-sampled and scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # which the help of data_prep must not wait for
    import numpy as np


class InputError(ValueError):
    """Data that cannot be used.  The message is one line: what is wrong, in which file, what to do."""


class Box(NamedTuple):
    """A box in the frame of fastMRI's target: rows [row, row + rows), columns [column, column + columns), in pixels.

    file: the volume's name without ending.  slice_index: from 0.  label: empty where the table has none.
    """

    file: str
    slice_index: int
    row: int
    column: int
    rows: int
    columns: int
    label: str = ""


class Doubt(NamedTuple):
    """Something about data that cannot be right, though they can be used.

    kind: in a few words, the same for all data of which it is true.  text: one line with numbers and what to do.
    """

    kind: str
    text: str


class Case(NamedTuple):
    """A slice in raw units, as host arrays.

    name: unique within a run, "volume:slice".
    volume: seeds the mask, and intervals are clustered by it: a file's name with its ending, as fastMRI does.
    kspace: (coil, ny, nx) complex64, centred orthonormal, fully sampled, or zero outside `mask` where that is given.
    target: (ty, tx) float32 magnitude to compare with; a reconstruction is centre-cropped to it.
    data_range: the maximum of the target's whole volume, the peak of PSNR and SSIM.
    padding: columns [0, left) and [right, nx) were never measured (fastMRI's zero padding); (0, nx) if all were.
    mask: (nx,) bool where the file comes already under-sampled, else None.
    maps: (coil, ny, nx) complex64 coil maps where the source knows them, else None.
    boxes: those around pathology in this slice, of which the source knows.
    doubts: what its source says about the slice that cannot be right.
    """

    name: str
    volume: str
    kspace: np.ndarray
    target: np.ndarray
    data_range: float
    padding: tuple[int, int]
    mask: np.ndarray | None = None
    maps: np.ndarray | None = None
    boxes: tuple[Box, ...] = ()
    doubts: tuple[Doubt, ...] = ()
