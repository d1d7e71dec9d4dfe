"""What a mask really measures: its samples, its acceleration and its fully sampled centre."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool


class Sampling(NamedTuple):
    """What a mask measures.

    samples: number of measured columns of a (nx,) mask, or of single samples of a (ny, nx) mask.
    acceleration: all / measured [-].
    centre: size of the fully sampled centre, see `acs_width`.
    """

    samples: int
    acceleration: float
    centre: int | tuple[int, int]


def describe(
    mask: Bool[np.ndarray, "nx"] | Bool[np.ndarray, "ny nx"], padding: tuple[int, int] | None = None
) -> Sampling:
    """Count what a mask measures.

    mask: (nx,) or (ny, nx).
    padding: the columns [left, right) that the scanner acquired; fastMRI fills the others with zeros, so they
        count neither as measured nor as missing.  All columns if None.
    Raises ValueError if the mask measures nothing there, or if padding does not fit.
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
    """Size of the fully sampled centre (auto-calibration signal): `centre_slice(n, size)` is all measured.

    A (nx,) mask gives the largest number of columns; lines that happen to be drawn next to the centre count.
    A (ny, nx) mask gives (rows, columns) of the block with the most samples, the squarest of equals.  0 or
    (0, 0) if the zero frequency itself is not measured.
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
    """Largest width for which `centre_slice(n, width)` of the line is all True.

    The slice takes width // 2 entries before n // 2 and the rest from it on.
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
