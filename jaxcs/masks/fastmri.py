"""The column masks of the fastMRI challenges (Zbontar et al., arXiv:1811.08839), bit for bit.

Recipe and random stream agree with the `fastmri` package, version 0.3.0, for one pair of center fraction and
acceleration.  The package first draws a pair from its list.  With a single pair this draw, `randint(1)`, takes nothing
from the stream, so it is left out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from jaxcs.masks.request import Seed, centre_lines, no_room, whole

ColumnMask = Bool[np.ndarray, "nx"]


def random(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Draw each column outside the centre with probability (nx / acceleration - lines) / (nx - lines).

    The number of columns is therefore nx / acceleration only on average.

    Args:
        nx: number of columns.
        acceleration: ratio of all to measured columns, >= 1 [-].
        center_fraction: fully sampled share of the columns, about the centre, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (nx,) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    lines = centre_lines("random", nx, acceleration, center_fraction)
    if lines * acceleration >= nx:
        raise no_room("random", lines, nx / acceleration)
    probability = (nx / acceleration - lines) / (nx - lines)
    return _centre(nx, lines) | (np.random.RandomState(seed).uniform(size=nx) < probability)


def equispaced(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Take every acceleration-th column, beginning with a random column, and the centre.

    The centre is added on top, so the true acceleration is below the requested acceleration, which must be whole.

    Args:
        nx: number of columns.
        acceleration: requested ratio of all to measured columns, a whole number >= 1 [-].
        center_fraction: fully sampled share of the columns, about the centre, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (nx,) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    lines = centre_lines("equispaced", nx, acceleration, center_fraction)
    spacing = whole("equispaced", acceleration)
    mask = _centre(nx, lines)
    mask[np.random.RandomState(seed).randint(0, spacing) :: spacing] = True
    return mask


def equispaced_fraction(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Space columns as `equispaced` does, but more widely: the acceleration is right with the centre counted.

    The spacing acceleration (nx - lines) / (nx - lines * acceleration) is not a whole number, so the rounded columns
    are not exactly equidistant.  The last column is never drawn.

    Args:
        nx: number of columns.
        acceleration: ratio of all to measured columns, >= 1 [-].
        center_fraction: fully sampled share of the columns, about the centre, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (nx,) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    lines = centre_lines("equispaced_fraction", nx, acceleration, center_fraction)
    if lines * acceleration >= nx:
        raise no_room("equispaced_fraction", lines, nx / acceleration)
    # The order of operations is the package's: it decides the last bit, and the last bit can decide a rounded column.
    spacing = (acceleration * (lines - nx)) / (lines * acceleration - nx)
    first = np.random.RandomState(seed).randint(0, round(spacing))
    mask = _centre(nx, lines)
    mask[np.around(np.arange(first, nx - 1, spacing)).astype(int)] = True
    return mask


def magic(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Draw equispaced columns with the two halves of k-space offset against each other, and the centre.

    A line of one half then informs, by conjugate symmetry, about a line that the other half lacks (Defazio,
    arXiv:1912.01101).  As for `equispaced`, the true acceleration is below the requested acceleration, which must be
    whole.

    Args:
        nx: number of columns.
        acceleration: requested ratio of all to measured columns, a whole number >= 1 [-].
        center_fraction: fully sampled share of the columns, about the centre, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (nx,) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    lines = centre_lines("magic", nx, acceleration, center_fraction)
    mask = _centre(nx, lines)
    mask[_offset_columns(nx, whole("magic", acceleration), seed)] = True
    return mask


def magic_fraction(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Draw columns as `magic` does, with the spacing round(nx / (round(nx / acceleration) - lines)).

    The wider spacing makes up for the centre.

    Args:
        nx: number of columns.
        acceleration: ratio of all to measured columns, >= 1 [-].
        center_fraction: fully sampled share of the columns, about the centre, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (nx,) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    lines = centre_lines("magic_fraction", nx, acceleration, center_fraction)
    wanted = round(nx / acceleration)
    if lines >= wanted:
        raise no_room("magic_fraction", lines, wanted)
    mask = _centre(nx, lines)
    mask[_offset_columns(nx, round(nx / (wanted - lines)), seed)] = True
    return mask


def _centre(nx: int, lines: int) -> ColumnMask:
    """A mask of the `lines` central columns.

    The first column is (nx - lines + 1) // 2: for odd nx and even lines the block is one column right of
    `centre_slice`.
    """
    mask = np.zeros(nx, bool)
    start = (nx - lines + 1) // 2
    mask[start : start + lines] = True
    return mask


def _offset_columns(nx: int, spacing: int, seed: Seed) -> Int[np.ndarray, "columns"]:
    """Columns at frequencies p, p + spacing, ... and -1 - q, -1 - q - spacing, ... for a random (p, q).

    The draw o in [0, spacing) gives (p, q) = (o + 1, o + 2) if o is even, and (o + 2, o - 1) if it is odd.
    """
    draw = np.random.RandomState(seed).randint(0, spacing)
    positive, negative = (draw + 1, draw + 2) if draw % 2 == 0 else (draw + 2, draw - 1)
    centre = nx // 2
    return np.concatenate([np.arange(centre + positive, nx, spacing), np.arange(centre - 1 - negative, -1, -spacing)])
