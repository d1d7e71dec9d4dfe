"""Read radiologists' boxes around pathology from CSV: fastMRI+ and similar tables with other column names.

fastMRI+ (Zhao et al., Sci. Data 9:152, 2022) has the columns `file,slice,study_level,x,y,width,height,label`.  Its
boxes were drawn on images turned the right way up, but fastMRI's images are upside down.  This module flips a box once,
into the frame of the target.  x counts columns and y counts rows, from 0.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from data_prep.cases import Box
from data_prep.safe_csv import rows_of
from data_prep.safe_hdf5 import LARGEST_AXIS
from jaxcs.names import printable

_LONGEST_TEXT = 200  # characters of a label or a file's name
_NUMBER_COLUMNS = ("x", "y", "width", "height")


class Boxes(NamedTuple):
    """The boxes of a table, and counts of its rows by kind.

    Attributes:
        boxes: the usable boxes, in the order of the table.
        total: rows below the header.
        study_level: rows about a whole study, without a box.
        padded: boxes of zero width or height that were widened.
        dropped: boxes of zero width or height that were left out.
        clipped: boxes cut to the image.
        outside: boxes without a pixel inside the image.
        unknown: rows about files whose image size is not known.
        unusable: rows with numbers that are missing, NaN, too large, or negative although they must not be.
    """

    boxes: list[Box]
    total: int
    study_level: int
    padded: int
    dropped: int
    clipped: int
    outside: int
    unknown: int
    unusable: int

    def counts(self) -> str:
        """Describe how many rows are of each kind."""
        counted = zip(self._fields[1:], self[1:], strict=True)
        return f"{len(self.boxes)} boxes; " + ", ".join(
            f"{name.replace('_', ' ')} {number}" for name, number in counted
        )

    def of_volume(self, name: str) -> tuple[Box, ...]:
        """Select the boxes of a volume by its name without ending."""
        return tuple(box for box in self.boxes if box.file == name)


class _Unusable(Exception):
    """A row whose numbers make no box."""


def read_boxes(
    path: str | Path, image_shape: Callable[[str], tuple[int, int] | None], minimum_side: int | None
) -> Boxes:
    """Read all boxes of a CSV file whose first line names its columns.

    Args:
        path: the CSV file.
        image_shape: maps a volume's name without ending to (rows, columns) of its target, or to None if unknown.
        minimum_side: size [pixels] to which a box of zero width or height is widened about its middle; None drops such
            boxes.

    Returns:
        The boxes in the order of the file, and counts of its rows.

    Raises:
        InputError: If the file cannot be read, is too large, or lacks a column.
        ValueError: If `minimum_side` is below 1.
    """
    if minimum_side is not None and minimum_side < 1:
        raise ValueError(f"read_boxes: minimum_side is {minimum_side}, it must be at least 1")
    boxes: list[Box] = []
    count: Counter[str] = Counter()
    needed = ("file", "slice", *_NUMBER_COLUMNS)
    for row in rows_of(Path(path), needed, {"filename": "file"}, _NUMBER_COLUMNS):
        count["total"] += 1
        try:
            kinds, box = _place(row, image_shape, minimum_side)
        except _Unusable:
            kinds, box = {"unusable"}, None
        count.update(kinds)
        if box is not None:
            boxes.append(box)
    return Boxes(boxes, *(count[name] for name in Boxes._fields[1:]))


def flip_rows(first: float, size: float, image_rows: int) -> float:
    """Give the new first row of a range of rows after the image is turned upside down.

    The function is its own inverse.

    Args:
        first: first row of the range [pixels].
        size: number of rows in the range [pixels].
        image_rows: number of rows of the image [pixels].
    """
    return image_rows - first - size


def clipped(box: Box, shape: tuple[int, ...], least: int = 1) -> tuple[int, int, int, int] | None:
    """Clip a box to an image, and widen it to at least `least` pixels a side.

    Args:
        box: the box.
        shape: (rows, columns) of the image.
        least: smallest side [pixels].

    Returns:
        (first row, first column, rows, columns); None if the box is outside the image, or the image is smaller than
            `least`.
    """
    found = []
    for first, size, whole in ((box.row, box.rows, shape[0]), (box.column, box.columns, shape[1])):
        start, stop = max(first, 0), min(first + size, whole)
        if start >= stop or whole < least:
            return None
        if stop - start < least:
            start = min(max((start + stop - least) // 2, 0), whole - least)
            stop = start + least
        found.append((start, stop - start))
    (row, rows), (column, columns) = found
    return row, column, rows, columns


def _place(
    row: dict[str, str], image_shape: Callable[[str], tuple[int, int] | None], minimum_side: int | None
) -> tuple[set[str], Box | None]:
    """The kinds that a row counts as, by the names of `Boxes`, and its box in the target's frame if it has one."""
    if row.get("study_level", "").lower() == "yes" and all(row[name] in ("", "0") for name in _NUMBER_COLUMNS):
        return {"study_level"}, None
    file, slice_index = _volume_name(row["file"]), _number(row["slice"])
    x, y, width, height = (_number(row[name]) for name in _NUMBER_COLUMNS)
    if not file or slice_index < 0 or slice_index % 1 or width < 0 or height < 0:
        raise _Unusable
    shape = image_shape(file)
    if shape is None:
        return {"unknown"}, None
    found: set[str] = set()
    y = flip_rows(y, height, shape[0])
    if width == 0 or height == 0:
        if minimum_side is None:
            return {"dropped"}, None
        found.add("padded")
        # The padding must not push a box over the edge of the image.
        x, width = _widened(x, width, minimum_side, shape[1])
        y, height = _widened(y, height, minimum_side, shape[0])
    first_row, last_row = max(math.floor(y), 0), min(math.ceil(y + height), shape[0])
    first_column, last_column = max(math.floor(x), 0), min(math.ceil(x + width), shape[1])
    if first_row >= last_row or first_column >= last_column:
        return {"outside"}, None
    if y < 0 or x < 0 or y + height > shape[0] or x + width > shape[1]:
        found.add("clipped")
    rows, columns = last_row - first_row, last_column - first_column
    label = printable(row.get("label", ""))[:_LONGEST_TEXT]
    return found, Box(file, int(slice_index), first_row, first_column, rows, columns, label)


def _widened(first: float, size: float, minimum: int, image_size: int) -> tuple[float, float]:
    """(first, size) of a side of a degenerate box, widened if it is shorter than `minimum`."""
    if size >= minimum or not 0 <= first <= image_size:
        return first, size
    side = min(minimum, image_size)
    return min(max(math.floor(first + (size - side) / 2), 0), image_size - side), side


def _number(text: str) -> float:
    """A finite number that is not larger than an image can be.  Raises _Unusable."""
    try:
        value = float(text)
    except ValueError as error:
        raise _Unusable from error
    if not abs(value) <= LARGEST_AXIS:  # NaN compares false
        raise _Unusable
    return value


def _volume_name(file: str) -> str:
    return printable(file.removesuffix(".h5"))[:_LONGEST_TEXT]
