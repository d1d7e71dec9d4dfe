"""The sampling of a mask: its samples, its acceleration and its fully sampled centre."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool


class Sampling(NamedTuple):
    """The sampling of a mask.

    Attributes:
        samples: number of measured columns of a (nx,) mask, or of single samples of a (ny, nx) mask.
        acceleration: all over measured samples [-].
        centre: size of the fully sampled centre, see `acs_width`.
    """

    samples: int
    acceleration: float
    centre: int | tuple[int, int]


def describe(
    mask: Bool[np.ndarray, "nx"] | Bool[np.ndarray, "ny nx"], padding: tuple[int, int] | None = None
) -> Sampling:
    """Count what a mask measures.

    Args:
        mask: (nx,) or (ny, nx) bool, True where measured.
        padding: (left, right).  The scanner acquired the columns [left, right). fastMRI fills the other columns with
            zeros, so they count neither as measured nor as missing.  None: all columns were acquired.

    Returns:
        The number of samples, the acceleration and the centre.

    Raises:
        ValueError: If the mask measures nothing in the acquired columns, or `padding` does not fit.
    """
    mask = _checked(mask)
    nx = mask.shape[-1]
    left, right = (0, nx) if padding is None else padding
    if not 0 <= left < right <= nx:
        raise ValueError(f"describe: padding {(left, right)} is no range of the {nx} columns")
    acquired = np.zeros(nx, bool)
    acquired[left:right] = True
    measured = mask & acquired
    samples = int(measured.sum())
    if samples == 0:
        raise ValueError(f"describe: the mask measures nothing in columns {left} to {right - 1}")
    return Sampling(samples, mask[..., left:right].size / samples, acs_width(measured))


def acs_width(mask: Bool[np.ndarray, "nx"] | Bool[np.ndarray, "ny nx"]) -> int | tuple[int, int]:
    """Compute the size of the fully sampled centre (auto-calibration signal).

    The size is the largest for which `centre_slice(n, size)` is measured completely.

    Args:
        mask: (nx,) or (ny, nx) bool, True where measured.

    Returns:
        For a (nx,) mask the number of columns, including drawn lines that happen to lie next to the centre.  For a (ny,
        nx) mask (rows, columns) of the block with the most samples; among equal blocks the squarest.  If the zero
        frequency is not measured, 0 or (0, 0).

    Raises:
        ValueError: If the mask is not bool, or has another number of axes.
    """
    mask = _checked(mask)
    if mask.ndim == 1:
        return _run(mask)
    best = (0, 0)
    centre = mask.shape[0] // 2
    common = np.ones(mask.shape[1], bool)
    for rows in range(1, _run(mask[:, mask.shape[1] // 2]) + 1):
        # The block of `rows` rows about the centre grows in turn below (odd) and above (even).
        common &= mask[centre + rows // 2 if rows % 2 else centre - rows // 2]
        best = max(best, (rows, _run(common)), key=lambda size: (size[0] * size[1], min(size)))
    return best


def _run(line: Bool[np.ndarray, "n"]) -> int:
    """The largest width for which `centre_slice(n, width)` of the line is all True.

    The slice takes width // 2 entries before n // 2, and the rest from n // 2 on.
    """
    centre = len(line) // 2
    gaps = np.flatnonzero(~line)
    before = centre - 1 - max(gaps[gaps < centre], default=-1)
    after = min(gaps[gaps >= centre], default=len(line)) - centre
    return int(min(2 * before + 1, 2 * after))


def _checked(mask: np.ndarray) -> np.ndarray:
    """The mask as a NumPy bool array of one or two axes."""
    mask = np.asarray(mask)
    if mask.ndim not in (1, 2) or mask.dtype != bool:
        raise ValueError(f"a mask is bool with shape (nx,) or (ny, nx), got {mask.dtype} {mask.shape}")
    return mask
