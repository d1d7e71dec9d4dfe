"""Scan a drawn anatomy as a scanner would, which knows nothing of pixels.

The anatomy and the coil maps are evaluated on a grid three times finer than the image, Fourier transformed there, and
only the central part of k-space is kept.  A reconstruction on the image's own pixels can therefore not represent the
object exactly, and the target shows the ringing of a real truncation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from data_prep.cases import Case, InputError
from data_prep.phantom import brain, knee
from data_prep.phantom.pieces import Grid, make_grid, smooth_noise
from jaxcs.coils.simulate import loop_sensitivities, noise_covariance

_FAMILIES: dict[str, ModuleType] = {"knee": knee, "brain": brain}
_SPLITS = ("train", "validation", "test")
_FINER = 3
_COILS = 8
# Radius of the coil array in half diagonals of the field of view, and of a loop in radii of the array: neighbours
# overlap a little.
_ARRAY_RADIUS = 1.2
_LOOP_RADIUS = 0.42
_COUPLING = 0.3
_SNR = (30.0, 40.0)
_TISSUE = 0.1


class Scan(NamedTuple):
    """kspace: (coil, ny, nx) complex128.  clean: the same without noise.  covariance: (coil, coil) E[n n^H]."""

    kspace: Complex[np.ndarray, "coil ny nx"]
    clean: Complex[np.ndarray, "coil ny nx"]
    covariance: Complex[np.ndarray, "coil coil"]


def case(family: str, split: str, index: int, shape: tuple[int, int] = (160, 128)) -> Case:
    """One phantom."""
    result = scan(family, split, index, shape)
    target = root_sum_of_squares(result.clean).astype(np.float32)
    volume = f"phantom-{family}-{split}-{index:04d}"
    return Case(
        name=f"{volume}:0", volume=volume, kspace=result.kspace.astype(np.complex64), target=target,
        data_range=float(target.max()), padding=(0, shape[1]),
    )


def cases(family: str, split: str, n: int, shape: tuple[int, int] = (160, 128)) -> Iterator[Case]:
    """The first `n` phantoms of a split, each made when it is asked for."""
    if n < 0:
        raise InputError(f"phantom: the number of cases must not be negative, got {n}")
    return (case(family, split, index, shape) for index in range(n))


def scan(family: str, split: str, index: int, shape: tuple[int, int]) -> Scan:
    """One phantom."""
    if family not in _FAMILIES:
        raise InputError(f"phantom: unknown family {family!r}, choose from {', '.join(_FAMILIES)}")
    if split not in _SPLITS:
        raise InputError(f"phantom: unknown split {split!r}, choose from {', '.join(_SPLITS)}")
    if index < 0:
        raise InputError(f"phantom: index must not be negative, got {index}")
    if min(shape) < 1:
        raise InputError(f"phantom: shape must be positive, got {shape}")
    seed = [list(_FAMILIES).index(family), _SPLITS.index(split), index]
    grid, maps = _geometry(family, shape)
    rng = np.random.RandomState([*seed, 0])
    signal = _FAMILIES[family].draw(rng, grid)
    phase = 1.2 * smooth_noise(rng, grid, 60.0) + 0.3 * smooth_noise(rng, grid, 25.0)
    image = np.fft.ifftshift(signal * np.exp(1j * phase))
    clean = np.stack([_truncated_transform(image * one, shape) for one in maps])
    magnitude = root_sum_of_squares(clean)
    covariance = noise_covariance(maps[:, ::_FINER, ::_FINER], np.abs(image[::_FINER, ::_FINER]) > 0, _COUPLING)
    rng = np.random.RandomState([*seed, 1])
    sigma = np.median(magnitude[magnitude > _TISSUE * magnitude.max()]) / rng.uniform(*_SNR)
    white = rng.normal(size=(2, _COILS, shape[0] * shape[1]))
    noise = sigma * np.linalg.cholesky(covariance) @ (white[0] + 1j * white[1])
    return Scan(clean + noise.reshape(clean.shape), clean, 2 * sigma**2 * covariance)


@lru_cache(maxsize=4)
def _geometry(family: str, shape: tuple[int, int]) -> tuple[Grid, np.ndarray]:
    """Fine grid, and the maps on it in FFT order."""
    fields = _FAMILIES[family].FIELD_OF_VIEW
    step = max(extent / n for extent, n in zip(fields, shape, strict=True)) / _FINER
    ny, nx = (_FINER * n for n in shape)
    radius = _ARRAY_RADIUS * np.hypot(ny, nx) * step / 2
    maps = loop_sensitivities((ny, nx), (ny * step, nx * step), _COILS, radius, _LOOP_RADIUS * radius)
    return make_grid((ny, nx), step), np.fft.ifftshift(maps, axes=(-2, -1))


def _truncated_transform(image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Centred k-space (ny, nx) of a fine image in FFT order, on the amplitude scale of the small image."""
    rows, columns = (np.arange(-(n // 2), n - n // 2) for n in shape)
    part = np.fft.fft(np.fft.fft(image, axis=-1)[:, columns], axis=0)[rows]
    return part * (np.sqrt(shape[0] * shape[1]) / image.size)


def root_sum_of_squares(kspace: np.ndarray) -> Float[np.ndarray, "ny nx"]:
    """Combined image."""
    axes = (-2, -1)
    images = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(kspace, axes=axes), norm="ortho"), axes=axes)
    return np.sqrt(np.sum(np.abs(images) ** 2, axis=0))
