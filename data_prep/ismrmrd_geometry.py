"""The sampling that the header of an ISMRMRD file describes, and the resulting place of each line in k-space."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep.geometry import voxel_of
from data_prep.header import Header
from data_prep.ismrmrd_lines import Lines
from data_prep.ismrmrd_sorting import reversed_lines
from data_prep.safe_hdf5 import LARGEST_AXIS, refusal


class Geometry(NamedTuple):
    """The sampling that the header describes.

    Attributes:
        matrix: samples along readout, phase encoding and partitions.
        centre: counters of the phase-encoding line and of the partition that hold the centre of k-space.
        image: (x, y, z), the size of the scanner's own image [pixels].
        voxel: (x, y, z) edges of a voxel of the encoded matrix [mm], or None if the header has no field of view.
    """

    matrix: tuple[int, int, int]
    centre: tuple[int, int]
    image: tuple[int, int, int]
    voxel: tuple[float, float, float] | None


class Places(NamedTuple):
    """The places of lines in k-space.

    Attributes:
        column: (line,) int64 column.
        partition: (line,) int64 partition.
        first: (line,) int64 first row.
        length: (line,) int64 number of rows.
    """

    column: np.ndarray
    partition: np.ndarray
    first: np.ndarray
    length: np.ndarray


def read_geometry(path: Path, header: Header, notes: list[str]) -> Geometry:
    """Read and check the first encoding of the header.

    Args:
        path: the file, for errors.
        header: its header.
        notes: list to which remarks for the user are added.

    Returns:
        The sampling.

    Raises:
        InputError: If the scan is not Cartesian, or the header has no usable matrix.
    """
    encoding = header.find("encoding")
    if encoding is None:
        raise refusal(path, "the header has no 'encoding'", "give an ISMRMRD raw file with its header")
    trajectory = (encoding.words("trajectory") or "cartesian").lower()
    if trajectory != "cartesian":
        raise refusal(path, f"trajectory '{trajectory}'", "give a Cartesian scan")

    def matrix(space: str) -> tuple[int, int, int]:
        x, y, z = (encoding.number(f"{space}/matrixSize/{axis}") for axis in "xyz")
        if x is None or y is None or not all(1 <= size <= LARGEST_AXIS for size in (x, y, z or 1)):
            raise refusal(path, f"the header gives '{space}' the matrix {(x, y, z)}", "correct the header")
        return x, y, z or 1

    encoded = image = matrix("encodedSpace")
    if encoding.find("reconSpace/matrixSize") is None:
        notes.append("no reconSpace in the header, the image has the size of the encoded matrix")
    else:
        image = matrix("reconSpace")
    centres = [encoding.number(f"encodingLimits/kspace_encoding_step_{step}/center") for step in (1, 2)]
    middles = [size // 2 if centre is None else centre for size, centre in zip(encoded[1:], centres, strict=True)]
    if not all(0 <= middle <= LARGEST_AXIS for middle in middles):
        raise refusal(path, f"the header has the k-space centre at line {middles}", "correct its encoding limits")
    return Geometry(encoded, (middles[0], middles[1]), image, voxel_of(encoding, encoded))


def places(lines: Lines, geometry: Geometry, chosen: np.ndarray, notes: list[str]) -> Places:
    """Find the places of lines in k-space.

    Args:
        lines: the lines of the file.
        geometry: the sampling that the header describes.
        chosen: numbers of the lines to place.
        notes: list to which remarks for the user are added.

    Returns:
        The places, in the order of `chosen`.

    Raises:
        InputError: If a line does not lie in the header's matrix; the message names the field of the line's head.
    """
    heads, (rows, *others) = lines.heads[chosen], geometry.matrix
    found = []
    for step, size, centre in zip((1, 2), others, geometry.centre, strict=True):
        counter = heads["idx"][f"kspace_encode_step_{step}"].astype(int)
        if step == 2 and size == 1:  # the counter of a 2-D scan is ignored
            counter = np.full_like(counter, centre)
        place = counter - centre + size // 2
        problem = (
            f"its kspace_encode_step_{step} is {{0}}, and the center of that in the header's encodingLimits {centre}, "
            f"which makes it line {{1}} of {size}"
        )
        outside = (place < 0) | (place >= size)
        _refuse(lines, geometry, chosen, outside, problem, (counter, place), "correct the one or the other")
        found.append(place)
    samples, length = heads["number_of_samples"].astype(int), _kept(heads)
    problem = "its number_of_samples is {0}, of which discard_pre and discard_post leave {1}"
    remedy = "correct these numbers, or the header's encodedSpace"
    _refuse(lines, geometry, chosen, (length < 1) | (length > rows), problem, (samples, length), remedy)
    first = _first_rows(heads, rows, notes)
    problem = f"its center_sample is {{0}}, which puts its {{1}} samples at row {{2}} of {rows}"
    outside = (first < 0) | (first + length > rows)
    remedy = "set center_sample to number_of_samples // 2, or to the sample that lies in the centre of k-space"
    _refuse(lines, geometry, chosen, outside, problem, (heads["center_sample"], length, first), remedy)
    return Places(found[0], found[1], first, length)


def _kept(heads: np.ndarray) -> np.ndarray:
    """The number of samples after discarding."""
    before, after = heads["discard_pre"].astype(int), heads["discard_post"].astype(int)
    return heads["number_of_samples"].astype(int) - before - after


def _first_rows(heads: np.ndarray, rows: int, notes: list[str]) -> np.ndarray:
    """The row of each line's first sample, after discarding samples and after reversing reversed lines.

    A line as long as the matrix has only one possible place, whatever its center_sample.  Writers set center_sample of
    such lines differently.  Some leave it at 0.  In reversed lines some count in the order of storage, as the MRD text
    says.  Others, such as converters of Siemens data, count in the order of the readout.
    """
    samples, centre = heads["number_of_samples"].astype(int), heads["center_sample"].astype(int)
    before, after, length = heads["discard_pre"].astype(int), heads["discard_post"].astype(int), _kept(heads)
    reverse = reversed_lines(heads)
    first = np.where(reverse, after, before) - centre + rows // 2
    stored = np.where(reverse, after - (samples - 1 - centre) + rows // 2, first)
    if ((first < 0) | (first + length > rows))[reverse].any() and ((stored >= 0) & (stored + length <= rows)).all():
        notes.append("center_sample of reversed lines counts in the order of storage")
        first = stored
    unset = (centre == 0) & (length == rows) & (first != 0)
    if unset.any():
        notes.append(f"center_sample is 0 in {unset.sum()} lines as long as the matrix, which therefore begin in row 0")
        first = np.where(unset, 0, first)
    return first


def _refuse(
    lines: Lines,
    geometry: Geometry,
    chosen: np.ndarray,
    outside: np.ndarray,
    problem: str,
    values: tuple[np.ndarray, ...],
    remedy: str,
) -> None:
    """Raise InputError for the first line that is outside, with its values inserted into `problem`."""
    if outside.any():
        line = int(np.argmax(outside))
        words = problem.format(*(value[line] for value in values))
        raise refusal(
            lines.path, f"line {chosen[line]} lies outside the header's matrix {geometry.matrix}: {words}", remedy
        )
