"""The column masks of the fastMRI challenges (Zbontar et al., arXiv:1811.08839), bit for bit.

Same recipe and same random stream as the `fastmri` package, version 0.3.0, for one pair of center fraction
and acceleration.  The package first draws which pair to use; among one pair that draw, `randint(1)`, takes
nothing from the stream, so it is left out.

All functions: nx columns; acceleration >= 1; center_fraction in (0, 1]; seed an int or a tuple of ints.  They
return (nx,) bool, and raise ValueError for a request that the recipe cannot meet.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Int

from jaxcs.masks.request import Seed, centre_lines, no_room, whole

ColumnMask = Bool[np.ndarray, "nx"]


def random(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Each column outside the centre with probability (nx / acceleration - lines) / (nx - lines).

    The number of columns is thus nx / acceleration only on average.
    """
    lines = centre_lines("random", nx, acceleration, center_fraction)
    if lines * acceleration >= nx:
        raise no_room("random", lines, nx / acceleration)
    probability = (nx / acceleration - lines) / (nx - lines)
    return _centre(nx, lines) | (np.random.RandomState(seed).uniform(size=nx) < probability)


def equispaced(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Every acceleration-th column from a random first one, and the centre.

    The centre comes on top, so the true acceleration is lower than the one asked for, which must be whole.
    """
    lines = centre_lines("equispaced", nx, acceleration, center_fraction)
    spacing = whole("equispaced", acceleration)
    mask = _centre(nx, lines)
    mask[np.random.RandomState(seed).randint(0, spacing) :: spacing] = True
    return mask


def equispaced_fraction(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Like `equispaced`, but spaced so widely that the acceleration comes out right with the centre counted.

    The spacing acceleration (nx - lines) / (nx - lines * acceleration) is no whole number, so the rounded
    columns are not exactly equidistant.  The last column is never drawn.
    """
    lines = centre_lines("equispaced_fraction", nx, acceleration, center_fraction)
    if lines * acceleration >= nx:
        raise no_room("equispaced_fraction", lines, nx / acceleration)
    # In the package's order of operations, which decides the last bit, and that bit a rounded column.
    spacing = (acceleration * (lines - nx)) / (lines * acceleration - nx)
    first = np.random.RandomState(seed).randint(0, round(spacing))
    mask = _centre(nx, lines)
    mask[np.around(np.arange(first, nx - 1, spacing)).astype(int)] = True
    return mask


def magic(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Equispaced with the two halves of k-space offset against each other, and the centre.

    Conjugate symmetry then makes a line of one half tell of a line the other half lacks (Defazio,
    arXiv:1912.01101).  As with `equispaced` the true acceleration is lower than the one asked for, which
    must be whole.
    """
    lines = centre_lines("magic", nx, acceleration, center_fraction)
    mask = _centre(nx, lines)
    mask[_offset_columns(nx, whole("magic", acceleration), seed)] = True
    return mask


def magic_fraction(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> ColumnMask:
    """Like `magic`, with spacing round(nx / (round(nx / acceleration) - lines)) to make up for the centre."""
    lines = centre_lines("magic_fraction", nx, acceleration, center_fraction)
    wanted = round(nx / acceleration)
    if lines >= wanted:
        raise no_room("magic_fraction", lines, wanted)
    mask = _centre(nx, lines)
    mask[_offset_columns(nx, round(nx / (wanted - lines)), seed)] = True
    return mask


def _centre(nx: int, lines: int) -> ColumnMask:
    """A mask of the `lines` central columns.

    The first is (nx - lines + 1) // 2: for odd nx and even lines the block sits one column right of
    `centre_slice`.
    """
    mask = np.zeros(nx, bool)
    start = (nx - lines + 1) // 2
    mask[start : start + lines] = True
    return mask


def _offset_columns(nx: int, spacing: int, seed: Seed) -> Int[np.ndarray, "columns"]:
    """Columns at frequencies p, p + spacing, ... and -1 - q, -1 - q - spacing, ... for a random (p, q).

    The draw o in [0, spacing) gives (p, q) = (o + 1, o + 2) if o is even and (o + 2, o - 1) if it is odd.
    """
    draw = np.random.RandomState(seed).randint(0, spacing)
    positive, negative = (draw + 1, draw + 2) if draw % 2 == 0 else (draw + 2, draw - 1)
    centre = nx // 2
    return np.concatenate([np.arange(centre + positive, nx, spacing), np.arange(centre - 1 - negative, -1, -spacing)])
