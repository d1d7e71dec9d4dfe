"""One slice from a file or a phantom, before it is under-sampled and scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # not imported at run time: the help of data_prep must not wait for it
    import numpy as np


class InputError(ValueError):
    """Data that cannot be used.  The message is one line: the problem, the file, and the remedy."""


class Box(NamedTuple):
    """A box in the frame of fastMRI's target: rows [row, row + rows), columns [column, column + columns) [pixels].

    Attributes:
        file: name of the volume, without ending.
        slice_index: slice in the volume, from 0.
        row: first row.
        column: first column.
        rows: number of rows.
        columns: number of columns.
        label: text of the finding; empty if the table has none.
    """

    file: str
    slice_index: int
    row: int
    column: int
    rows: int
    columns: int
    label: str = ""


class Doubt(NamedTuple):
    """A property of usable data that cannot be right.

    Attributes:
        kind: a few words, the same for all data with this problem.
        text: one line with numbers and the remedy.
    """

    kind: str
    text: str


class Case(NamedTuple):
    """A slice in raw units, as host arrays.

    Attributes:
        name: "volume:slice", unique within a run.
        volume: file name with its ending, as in fastMRI.  It seeds the mask, and confidence intervals are clustered by
            it.
        kspace: (coil, ny, nx) complex64, centred orthonormal.  It is fully sampled, or zero outside `mask` if that is
            given.
        target: (ty, tx) float32 magnitude to compare with.  A reconstruction is centre-cropped to its size.  NaN if
            there is no ground truth.
        data_range: maximum of the targets of the whole volume, the peak of PSNR and SSIM; NaN if there is none.
        padding: (left, right).  Columns [0, left) and [right, nx) were never measured (fastMRI's zero padding).
            (0, nx) if all columns were measured.
        mask: (nx,) bool if the file is already under-sampled, else None.
        maps: (coil, ny, nx) complex64 coil sensitivity maps if the source has them, else None.
        boxes: boxes around pathology in this slice, as far as the source has them.
        doubts: properties of the slice that cannot be right.
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
