"""Windows of undecimated shearlet systems in the Fourier domain.

"compact" is the system of shearlets with compact support of Kutyniok, Lim & Reisenhofer, ACM TOMS 42(1):5, 2016
(ShearLab 3D).  "meyer" is a cone-adapted system of band-limited shearlets (Guo, Kutyniok & Labate, 2006; Haeuser &
Steidl, arXiv:1202.1773), with the directions cut on squares.

All windows are real and symmetric about the zero frequency, so real images have real coefficients.  Frequencies are in
cycles a pixel, with the zero frequency in the corner.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import numpy as np
from jaxtyping import Float

Family = Literal["compact", "meyer"]
FAMILIES = ("compact", "meyer")
Windows = Float[np.ndarray, "band ny nx"]

# Maximally flat low-pass filter of the reference, section 5.1.1: the middle tap and those to its right.
_LOW_PASS = (0.582566738241592, 0.276348304703363, -0.0517766952966370, -0.0263483047033631, 0.0104933261758410)
# Flatness of the directional filter: it has 17 x 17 taps.
_FLATNESS = 4


@lru_cache(maxsize=4)
def windows(family: Family, shape: tuple[int, int], levels: tuple[int, ...], tight: bool) -> Windows:
    """Compute the windows of a system.

    Args:
        family: construction of the windows.
        shape: (ny, nx) of the image.
        levels: shear level of each scale, the coarsest scale first.  A scale of level k has 2^(k+2) directions.
        tight: whether each window is divided by the root of the sum of all squares, which makes a tight frame.

    Returns:
        (band, ny, nx) float32 windows; the low-pass is the last.
    """
    made = _compact(shape, levels) if family == "compact" else _meyer(shape, levels)
    if tight:
        made = made / np.sqrt(np.sum(made**2, axis=0))
    made = made.astype(np.float32)
    made.flags.writeable = False
    return made


def _compact(shape: tuple[int, int], levels: tuple[int, ...]) -> Windows:
    """Directional wedges (eqs. 20-24 of the reference) times band-passes in one direction, and the low-pass."""
    ny, nx = shape
    bands = []
    for across, size in ((False, (ny, nx)), (True, (nx, ny))):
        wedges = {level: _wedges(size, level) for level in set(levels)}
        frequency = np.fft.fftfreq(size[1])
        for scale, level in enumerate(levels):
            band_pass = _cascade(frequency, len(levels) - scale - 1)
            band_pass = band_pass * _low_pass(frequency * 2 ** (len(levels) - scale - 1) + 0.5)
            # The two diagonals of the second cone are those of the first.
            chosen = wedges[level][1:-1] if across else wedges[level]
            bands += [(wedge * band_pass).T if across else wedge * band_pass for wedge in chosen]
    rows, columns = (_cascade(np.fft.fftfreq(n), len(levels)) for n in shape)
    return np.stack([*bands, rows[:, None] * columns])


def _wedges(shape: tuple[int, int], level: int) -> Float[np.ndarray, "shear ny nx"]:
    """The wedges about the horizontal frequencies, for shears -2^level to 2^level.

    The shear of a grid by a share of a pixel is taken on a grid that is finer by 2^level along the rows (eq. 22).
    """
    (ny, nx), fine = shape, 2**level
    y, x = np.fft.fftfreq(ny), np.fft.fftfreq(fine * nx)
    smooth = _cascade(x, level)
    wedge = _fan(fine * x, 2 * fine * y[:, None]) * _cascade(y, level + 1)[:, None] * smooth
    # Space along the columns, where each row is moved on its own.
    spectra = np.fft.ifft(wedge, axis=0)
    row = np.fft.fftfreq(ny, 1 / ny)[:, None]
    made = []
    for shear in range(-fine, fine + 1):
        moved = spectra * np.exp(-2j * np.pi * shear * row * x) * smooth
        # A coarser grid folds the frequencies.
        folded = np.sum(moved.reshape(ny, fine, nx), axis=1)
        made.append(np.fft.fft(folded, axis=0).real)
    return np.stack(made)


def _low_pass(frequency: np.ndarray) -> np.ndarray:
    """The response of the low-pass filter, 1 at the zero frequency."""
    middle, *right = _LOW_PASS
    waves = (2 * tap * np.cos(2 * np.pi * n * frequency) for n, tap in enumerate(right, 1))
    return np.asarray(middle + sum(waves))


def _cascade(frequency: np.ndarray, count: int) -> np.ndarray:
    """The product of `count` low-pass filters, each an octave below the last."""
    return np.prod([np.ones_like(frequency), *(_low_pass(2**n * frequency) for n in range(count))], axis=0)


def _fan(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The response of the directional filter, which passes horizontal frequencies and has taps with unit sum of sizes.

    A polynomial maps a diamond D of mean 0 to the filter (da Cunha, Zhou & Do, IEEE Trans. Image Process. 15:3089,
    2006): 1 at D = 1, 0 at D = -1, and half of the power at D = 0.  The other quadrant of frequencies along x turns the
    diamond into a fan.
    """
    pairs, weights = _diamond()

    def response(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        wave = {n: (np.cos(2 * np.pi * n * x), np.cos(2 * np.pi * n * y)) for n in range(_FLATNESS + 1)}
        d = sum(
            w * (wave[i][0] * wave[j][1] + wave[j][0] * wave[i][1]) for (i, j), w in zip(pairs, weights, strict=True)
        )
        return np.sqrt(0.5) + 0.5 * d + (0.5 - np.sqrt(0.5)) * d**2

    grid = np.fft.fftfreq(8 * _FLATNESS)
    taps = np.fft.ifft2(response(grid, grid[:, None]))
    return response(x + 0.5, y) / np.sum(np.abs(taps))


@lru_cache
def _diamond() -> tuple[list[tuple[int, int]], np.ndarray]:
    """The half-band diamond sum w_ij (cos ix cos jy + cos jx cos iy), flat at the zero frequency to the highest order.

    It is 1 at the zero frequency, and its derivatives vanish there: as many as there are weights.
    """
    pairs = [(i, j) for j in range(_FLATNESS + 1) for i in range(j) if (i + j) % 2]
    orders = [(a, order - a) for order in range(_FLATNESS) for a in range(order // 2 + 1)]
    equations = np.array(
        [[i ** (2 * a) * j ** (2 * b) + j ** (2 * a) * i ** (2 * b) for i, j in pairs] for a, b in orders]
    )
    return pairs, np.linalg.solve(equations.astype(float), np.array([1.0] + [0.0] * (len(orders) - 1)))


def _meyer(shape: tuple[int, int], levels: tuple[int, ...]) -> Windows:
    """Rings between squares, cut into directions.  The squares of all windows have the sum 1."""
    y, x = np.fft.fftfreq(shape[0])[:, None], np.fft.fftfreq(shape[1])
    radius = np.maximum(np.abs(x), np.abs(y))
    horizontal = np.abs(x) >= np.abs(y)
    ratio = np.where(horizontal, y, x) / np.where(radius > 0, np.where(horizontal, x, y), 1)
    # A direction is a number with the period 4: -1 to 1 about horizontal, 1 to 3 about vertical frequencies.
    direction = np.where(horizontal, ratio, 2 - ratio)
    # A ring ends at 1/4, 1/8, ... of the sampling frequency, the last at none.
    inside = [_falling(radius * 2.0 ** (len(levels) - scale + 2) - 1) for scale in range(len(levels))]
    bands = []
    for level, inner, outer in zip(levels, inside, [*inside[1:], np.ones(shape)], strict=True):
        for number in range(4 * 2**level):
            away = np.abs((direction - number / 2**level + 2) % 4 - 2)
            bands.append((outer - inner) * _falling(2**level * away))
    squares = np.stack([*bands, inside[0]])
    # The highest frequency of an even axis has no partner of the other sign.
    rows, columns = (-np.arange(n) % n for n in shape)
    return np.sqrt((squares + squares[:, rows[:, None], columns]) / 2)


def _falling(x: np.ndarray) -> np.ndarray:
    """A smooth function that is 1 up to 0 and 0 from 1 on; its values at x and 1 - x have the sum 1 (Meyer)."""
    x = np.clip(x, 0, 1)
    return np.cos(np.pi / 2 * x**4 * (35 - 84 * x + 70 * x**2 - 20 * x**3)) ** 2
