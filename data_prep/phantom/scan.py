"""Scan a drawn anatomy as a scanner would, which knows nothing of pixels.

Anatomy and coil maps are evaluated on a grid three times finer than the image, and Fourier transformed on it.  Only the
central part of k-space is kept.  A reconstruction on the image's own pixels can therefore not represent the object
exactly (no inverse crime), and the target shows the ringing of a truncated measurement.  Noise is added last.

The arithmetic is float64.  Random numbers come from RandomState, whose streams are frozen, so that a case is the same
on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex

from data_prep.cases import Box, Case, InputError
from data_prep.coil_array import add_noise, shared_noise, shifted_sensitivities
from data_prep.fourier import root_sum_of_squares
from data_prep.phantom import brain, head, knee
from data_prep.phantom.pieces import Drawing, Grid, make_grid, smooth_noise

_FAMILIES: dict[str, ModuleType] = {"knee": knee, "brain": brain, "head": head}
_SPLITS = ("train", "validation", "test")
SHAPE = (160, 128)
_FINER = 3
# Radiologists' boxes are wider than the findings: by about this much on each side [mm].
_MARGIN = 2.0
# Label of the drawn findings, one of fastMRI+'s.
_LABEL = "Nonspecific white matter lesion"


class Scan(NamedTuple):
    """The measurement of a scanner.

    Attributes:
        kspace: (coil, ny, nx) complex128 with noise.
        clean: (coil, ny, nx) complex128 without noise.
        covariance: (coil, coil) E[n n^H] of the noise n, which is independent from sample to sample.
        boxes: boxes around the drawn findings.
    """

    kspace: Complex[np.ndarray, "coil ny nx"]
    clean: Complex[np.ndarray, "coil ny nx"]
    covariance: Complex[np.ndarray, "coil coil"]
    boxes: tuple[Box, ...]


def cases(family: str, split: str, n: int, shape: tuple[int, int] = SHAPE) -> Iterator[Case]:
    """Make the first `n` cases of a split, each when it is needed; see `case`."""
    if n < 0:
        raise InputError(f"phantom: the number of cases must not be negative, got {n}")
    _seed(family, split, 0, shape)
    return (case(family, split, index, shape) for index in range(n))


def case(family: str, split: str, index: int, shape: tuple[int, int] = SHAPE) -> Case:
    """Scan one anatomy, different for each index, with 8 coils.

    The target is computed as in fastMRI: the root sum of squares over the coils of the fully sampled images, including
    noise.  Its amplitude is of order 1; `data_prep.coil_array.add_noise` describes the noise.

    Every case is a separate volume, "phantom-knee-test-0003", with a single slice, "phantom-knee-test-0003:0".

    Args:
        family: "knee", "brain" or "head".
        split: "train", "validation" or "test"; no two splits share a seed.
        index: 0, 1, ...
        shape: (ny, nx) of k-space and target.  Pixels are square.  The field of view is the smallest with this aspect
            that holds 160 x 128 mm of knee or 220 x 176 mm of brain.

    Returns:
        The case.

    Raises:
        InputError: If the family or split does not exist, the index is negative, or the shape is empty.
    """
    measured = scan(family, split, index, shape)
    target = root_sum_of_squares(measured.kspace).astype(np.float32)
    name = case_name(family, split, index)
    return Case(
        name=name,
        volume=name.removesuffix(":0"),
        kspace=measured.kspace.astype(np.complex64),
        target=target,
        data_range=float(target.max()),
        padding=(0, shape[1]),
        boxes=measured.boxes,
    )


def case_name(family: str, split: str, index: int) -> str:
    """Give the name that `case` gives, without scanning."""
    return f"phantom-{family}-{split}-{index:04d}:0"


def scan(family: str, split: str, index: int, shape: tuple[int, int]) -> Scan:
    """Simulate the measurement behind a case, including quantities that a scanner does not give.

    Arguments and errors are the same as for `case`.
    """
    seed = _seed(family, split, index, shape)
    grid, maps = _geometry(family, shape)
    rng = np.random.RandomState([*seed, 0])
    drawing: Drawing = _FAMILIES[family].draw(rng, grid)
    clean, shared = noise_free(rng, grid, drawing.signal, maps, shape)
    # A separate stream, so that the noise does not depend on how many numbers the anatomy took.
    kspace, covariance = add_noise(clean, shared, np.random.RandomState([*seed, 1]))
    boxes = _boxes(drawing, case_name(family, split, index).removesuffix(":0"), shape, grid.step)
    return Scan(kspace, clean, covariance, boxes)


def boxed(family: str, split: str, index: int, shape: tuple[int, int] = SHAPE) -> bool:
    """Return whether a case has boxes around findings, without scanning; see `case`."""
    seed = _seed(family, split, index, shape)
    grid, _ = _geometry(family, shape)
    drawing: Drawing = _FAMILIES[family].draw(np.random.RandomState([*seed, 0]), grid)
    return bool(_boxes(drawing, "", shape, grid.step))


def _boxes(drawing: Drawing, volume: str, shape: tuple[int, int], step: float) -> tuple[Box, ...]:
    """The findings of a drawing on fine pixels of `step` mm, with a margin, as boxes of the image."""
    found = []
    for first, left, rows, columns in drawing.findings:
        margin = _MARGIN / step
        row, column = (max(0, int((at - margin) // _FINER)) for at in (first, left))
        ends = (first + rows + margin, left + columns + margin)
        bottom, right = (min(size, int(-(-at // _FINER))) for at, size in zip(ends, shape, strict=True))
        found.append(Box(volume, 0, row, column, bottom - row, right - column, _LABEL))
    return tuple(found)


def noise_free(
    rng: np.random.RandomState, grid: Grid, signal: np.ndarray, maps: np.ndarray, shape: tuple[int, int]
) -> tuple[Complex[np.ndarray, "coil ny nx"], Complex[np.ndarray, "coil coil"]]:
    """Measure a signal on a fine grid, with a drawn phase, without noise.

    Args:
        rng: random numbers for the phase.
        grid: the fine pixels, a whole number of times as many as `shape` along each axis.
        signal: (ny, nx) signal on the fine pixels.
        maps: (coil, ny, nx) coil maps on them, with the centre at the first pixel.
        shape: (rows, columns) of k-space.

    Returns:
        (coil, rows, columns) k-space, and (coil, coil) covariance of the noise up to a factor.
    """
    # Field inhomogeneity and the coils' own excitation: a few radians across the object.
    phase = 1.2 * smooth_noise(rng, grid, 60.0) + 0.3 * smooth_noise(rng, grid, 25.0)
    image = np.fft.ifftshift(signal * np.exp(1j * phase))
    clean = np.stack([_truncated_transform(coil * image, shape) for coil in maps])
    every = (slice(None, None, signal.shape[0] // shape[0]),) * 2
    return clean, shared_noise(maps[:, *every], np.abs(image[every]) > 0)


def _seed(family: str, split: str, index: int, shape: tuple[int, int]) -> list[int]:
    if family not in _FAMILIES:
        raise InputError(f"phantom: unknown family {family!r}, choose from {', '.join(_FAMILIES)}")
    if split not in _SPLITS:
        raise InputError(f"phantom: unknown split {split!r}, choose from {', '.join(_SPLITS)}")
    if index < 0:
        raise InputError(f"phantom: the index must not be negative, got {index}")
    if min(shape) < 1:
        raise InputError(f"phantom: the shape must not be empty, got {shape}")
    return [list(_FAMILIES).index(family), _SPLITS.index(split), index]


@lru_cache(maxsize=4)
def _geometry(family: str, shape: tuple[int, int]) -> tuple[Grid, np.ndarray]:
    """The fine grid, and the coil maps on it with the centre moved to the first pixel, as the FFT expects."""
    fine = (_FINER * shape[0], _FINER * shape[1])
    height, width = _FAMILIES[family].FIELD_OF_VIEW
    step = max(height / fine[0], width / fine[1])
    extent = (fine[0] * step, fine[1] * step)
    return make_grid(fine, step), shifted_sensitivities(fine, extent)


def _truncated_transform(image: np.ndarray, shape: tuple[int, int]) -> Complex[np.ndarray, "ny nx"]:
    """The central `shape` of an image's k-space, centred, scaled so that the smaller image has the same amplitude.

    The centre of `image` is at its first pixel.  Columns are cropped before the rows' transform, which saves most of
    the work.
    """
    rows, columns = (np.arange(-(n // 2), n - n // 2) for n in shape)
    central = np.fft.fft(np.fft.fft(image, axis=1)[:, columns], axis=0)[rows]
    return central * (np.sqrt(shape[0] * shape[1]) / image.size)
