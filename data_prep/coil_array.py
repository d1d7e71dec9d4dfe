"""The simulated receiver of phantoms and images: eight loops around the field of view, with correlated noise.

The arithmetic is float64.  Random numbers come from RandomState, whose streams are frozen.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float

from data_prep.fourier import forward, root_sum_of_squares
from jaxcs.coils.simulate import loop_sensitivities, noise_covariance

COILS = 8
# The radius of the array in half diagonals of the field of view, and the radius of a loop in radii of the array.
# Neighbouring loops overlap by a tenth.  A wider array sees the rim and the centre more alike, but encodes less.
_ARRAY_RADIUS = 1.5
_LOOP_RADIUS = 0.42
_COUPLING = 0.3
_SNR = (30.0, 40.0)
_TISSUE = 0.1


@lru_cache(maxsize=4)
def sensitivities(shape: tuple[int, int], extent: tuple[float, float]) -> Complex[np.ndarray, "coil ny nx"]:
    """Compute the coil sensitivity maps of the simulated array.

    Args:
        shape: (rows, columns) of the grid.
        extent: (rows, columns) of the field of view, in any unit of length.

    Returns:
        (coil, ny, nx) complex sensitivities of 8 coils.
    """
    radius = _ARRAY_RADIUS * float(np.hypot(*extent)) / 2
    return loop_sensitivities(shape, extent, COILS, radius, _LOOP_RADIUS * radius)


@lru_cache(maxsize=4)
def shifted_sensitivities(shape: tuple[int, int], extent: tuple[float, float]) -> Complex[np.ndarray, "coil ny nx"]:
    """Return `sensitivities` with the centre at the first pixel, as the FFT expects, shared by all slices."""
    return np.fft.ifftshift(sensitivities(shape, extent), axes=(-2, -1))


def tissue(image: Float[np.ndarray, "ny nx"]) -> Bool[np.ndarray, "ny nx"]:
    """Mark the pixels of a magnitude image that exceed a tenth of its maximum."""
    return image > _TISSUE * image.max()


class Receiver(NamedTuple):
    """A coil array that measures an image.

    Attributes:
        maps: (coil, ny, nx) coil sensitivity maps.
        covariance: (coil, coil) noise covariance, up to a factor.  None computes the noise that the coils pick up from
            the same object (`shared_noise`).
        snr: signal-to-noise ratio [-], see `add_noise`; None draws it.
    """

    maps: Complex[np.ndarray, "coil ny nx"]
    covariance: Complex[np.ndarray, "coil coil"] | None = None
    snr: float | None = None


def measure(
    image: Complex[np.ndarray, "ny nx"], receiver: Receiver, rng: np.random.RandomState
) -> Complex[np.ndarray, "coil ny nx"]:
    """Measure an image: compute its k-space on its own grid, with noise.

    Args:
        image: (ny, nx) complex image.
        receiver: the coil array.
        rng: random numbers for the noise.

    Returns:
        (coil, ny, nx) k-space.
    """
    coils = receiver.maps * image
    covariance = receiver.covariance
    if covariance is None:
        covariance = shared_noise(receiver.maps, tissue(np.linalg.norm(coils, axis=0)))
    return add_noise(forward(coils), covariance, rng, receiver.snr)[0]


def shared_noise(
    maps: Complex[np.ndarray, "coil ny nx"], support: Bool[np.ndarray, "ny nx"]
) -> Complex[np.ndarray, "coil coil"]:
    """Compute the covariance of the noise that the coils pick up from the same object.

    Args:
        maps: (coil, ny, nx) coil sensitivity maps, on any grid.
        support: (ny, nx) bool, True inside the object, on the same grid.

    Returns:
        (coil, coil) covariance, with variance 1 in each coil.
    """
    return noise_covariance(maps, support, _COUPLING)


def add_noise(
    clean: Complex[np.ndarray, "coil ny nx"],
    covariance: Complex[np.ndarray, "coil coil"],
    rng: np.random.RandomState,
    snr: float | None = None,
) -> tuple[Complex[np.ndarray, "coil ny nx"], Complex[np.ndarray, "coil coil"]]:
    """Add noise to k-space, independent from sample to sample and correlated between coils.

    The signal-to-noise ratio is the median of the noise-free image over tissue, divided by the standard deviation of
    the real part of the noise in one coil.  This deviation is about the same in the magnitude image.

    Args:
        clean: (coil, ny, nx) noise-free k-space.
        covariance: (coil, coil) noise covariance, up to a factor, with mean variance 1.
        rng: random numbers for the noise.
        snr: signal-to-noise ratio [-]; None draws it from 30 to 40.

    Returns:
        (coil, ny, nx) noisy k-space, and (coil, coil) covariance E[n n^H] of its noise.
    """
    image = root_sum_of_squares(clean)
    drawn = rng.uniform(*_SNR)
    sigma = np.median(image[tissue(image)]) / (drawn if snr is None else snr)
    real, imaginary = rng.normal(size=(2, len(clean), clean[0].size))
    noise = sigma * np.linalg.cholesky(covariance) @ (real + 1j * imaginary)
    return clean + noise.reshape(clean.shape), 2 * sigma**2 * covariance
