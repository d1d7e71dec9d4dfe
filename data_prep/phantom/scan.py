"""Scan a drawn anatomy as a scanner would, which knows nothing of pixels.

Anatomy and coil maps are evaluated on a grid three times finer than the image and Fourier transformed there; only the
central part of k-space is kept.  Reconstruction on the image's own pixels can therefore not represent the object
exactly (no inverse crime), and the target shows the ringing of a truncated measurement.  Then comes noise.

Arithmetic is float64, and random numbers are RandomState's, whose streams are frozen: a case is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex

from data_prep.cases import Case, InputError
from data_prep.coil_array import add_noise, sensitivities, shared_noise
from data_prep.fourier import root_sum_of_squares
from data_prep.phantom import brain, knee
from data_prep.phantom.pieces import Grid, make_grid, smooth_noise

_FAMILIES: dict[str, ModuleType] = {"knee": knee, "brain": brain}
_SPLITS = ("train", "validation", "test")
SHAPE = (160, 128)
_FINER = 3


class Scan(NamedTuple):
    """What the scanner measures.

    kspace: (coil, ny, nx) complex128 with noise.  clean: the same without.  covariance: (coil, coil) E[n n^H] of the
    noise n, which is independent from sample to sample.
    """

    kspace: Complex[np.ndarray, "coil ny nx"]
    clean: Complex[np.ndarray, "coil ny nx"]
    covariance: Complex[np.ndarray, "coil coil"]


def cases(family: str, split: str, n: int, shape: tuple[int, int] = SHAPE) -> Iterator[Case]:
    """The first `n` cases of a split, each made when it is asked for; see `case`."""
    if n < 0:
        raise InputError(f"phantom: the number of cases must not be negative, got {n}")
    _seed(family, split, 0, shape)
    return (case(family, split, index, shape) for index in range(n))


def case(family: str, split: str, index: int, shape: tuple[int, int] = SHAPE) -> Case:
    """One anatomy, different for each index, scanned with 8 coils.

    family: "knee" or "brain".  split: "train", "validation" or "test"; no two share a seed.  index: 0, 1, ...
    shape: (ny, nx) of k-space and target; pixels are square, and the field of view is the smallest of that aspect that
    holds 160 x 128 mm of knee or 220 x 176 mm of brain.

    The target is fastMRI's: the root sum of squares over the coils of the fully sampled images, noise and all.  Its
    amplitude is of order 1; for the noise see `data_prep.coil_array.add_noise`.

    Every case is a volume of its own, "phantom-knee-test-0003", with a single slice, "phantom-knee-test-0003:0".
    Raises InputError for a family or split that does not exist, a negative index, or an empty shape.
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
    )


def case_name(family: str, split: str, index: int) -> str:
    """The name that `case` gives, without scanning."""
    return f"phantom-{family}-{split}-{index:04d}:0"


def scan(family: str, split: str, index: int, shape: tuple[int, int]) -> Scan:
    """The measurement behind a case, with what a scanner would not tell.  Arguments and errors as for `case`."""
    seed = _seed(family, split, index, shape)
    grid, maps = _geometry(family, shape)
    rng = np.random.RandomState([*seed, 0])
    signal = _FAMILIES[family].draw(rng, grid)
    # Field inhomogeneity and the coils' own excitation: a few radians across the object.
    phase = 1.2 * smooth_noise(rng, grid, 60.0) + 0.3 * smooth_noise(rng, grid, 25.0)
    image = np.fft.ifftshift(signal * np.exp(1j * phase))
    clean = np.stack([_truncated_transform(coil * image, shape) for coil in maps])
    every = (slice(None, None, _FINER),) * 2
    # A stream of its own, so that the noise does not depend on how many numbers the anatomy took.
    rng = np.random.RandomState([*seed, 1])
    kspace, covariance = add_noise(clean, shared_noise(maps[:, *every], np.abs(image[every]) > 0), rng)
    return Scan(kspace, clean, covariance)


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
    """The fine grid, and the coil maps on it with the centre moved to the first pixel, as the FFT wants it."""
    fine = (_FINER * shape[0], _FINER * shape[1])
    height, width = _FAMILIES[family].FIELD_OF_VIEW
    step = max(height / fine[0], width / fine[1])
    extent = (fine[0] * step, fine[1] * step)
    return make_grid(fine, step), np.fft.ifftshift(sensitivities(fine, extent), axes=(-2, -1))


def _truncated_transform(image: np.ndarray, shape: tuple[int, int]) -> Complex[np.ndarray, "ny nx"]:
    """The central `shape` of an image's k-space, centred, scaled so that the smaller image has the same amplitude.

    image: centre at the first pixel.  Columns are cropped before the rows' transform, which saves most of its work.
    """
    rows, columns = (np.arange(-(n // 2), n - n // 2) for n in shape)
    central = np.fft.fft(np.fft.fft(image, axis=1)[:, columns], axis=0)[rows]
    return central * (np.sqrt(shape[0] * shape[1]) / image.size)
