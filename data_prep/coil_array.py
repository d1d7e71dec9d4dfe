"""The simulated receiver of phantoms and images: eight loops around the field of view, and the noise that they share.

Arithmetic is float64, and random numbers are RandomState's, whose streams are frozen.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Complex, Float

from data_prep.fourier import forward, root_sum_of_squares
from jaxcs.coils.simulate import loop_sensitivities, noise_covariance

COILS = 8
# The array's radius in half diagonals of the field of view, and a loop's radius in radii of the array: neighbours
# overlap by a tenth.  Wider arrays see the rim and the centre more alike, but encode less.
_ARRAY_RADIUS = 1.5
_LOOP_RADIUS = 0.42
_COUPLING = 0.3
_SNR = (30.0, 40.0)
_TISSUE = 0.1


@lru_cache(maxsize=4)
def sensitivities(shape: tuple[int, int], extent: tuple[float, float]) -> Complex[np.ndarray, "coil ny nx"]:
    """Coil sensitivities on a grid of `shape` over a field of view of `extent`, both (rows, columns)."""
    radius = _ARRAY_RADIUS * float(np.hypot(*extent)) / 2
    return loop_sensitivities(shape, extent, COILS, radius, _LOOP_RADIUS * radius)


def tissue(image: Float[np.ndarray, "ny nx"]) -> Bool[np.ndarray, "ny nx"]:
    """Where a magnitude image exceeds a tenth of its maximum."""
    return image > _TISSUE * image.max()


class Receiver(NamedTuple):
    """What measures an image.  maps: (coil, ny, nx) sensitivities.

    covariance: (coil, coil) of the coils' noise, up to a factor, None for what they share of the object
    (`shared_noise`).
    snr: of the noise, see `add_noise`; None for one that is drawn.
    """

    maps: Complex[np.ndarray, "coil ny nx"]
    covariance: Complex[np.ndarray, "coil coil"] | None = None
    snr: float | None = None


def measure(
    image: Complex[np.ndarray, "ny nx"], receiver: Receiver, rng: np.random.RandomState
) -> Complex[np.ndarray, "coil ny nx"]:
    """The k-space of an image, sampled on its own grid, with noise."""
    coils = receiver.maps * image
    covariance = receiver.covariance
    if covariance is None:
        covariance = shared_noise(receiver.maps, tissue(np.linalg.norm(coils, axis=0)))
    return add_noise(forward(coils), covariance, rng, receiver.snr)[0]


def shared_noise(
    maps: Complex[np.ndarray, "coil ny nx"], support: Bool[np.ndarray, "ny nx"]
) -> Complex[np.ndarray, "coil coil"]:
    """The covariance of noise that coils share of an object, of variance 1 in each; maps and object on any grid."""
    return noise_covariance(maps, support, _COUPLING)


def add_noise(
    clean: Complex[np.ndarray, "coil ny nx"],
    covariance: Complex[np.ndarray, "coil coil"],
    rng: np.random.RandomState,
    snr: float | None = None,
) -> tuple[Complex[np.ndarray, "coil ny nx"], Complex[np.ndarray, "coil coil"]]:
    """Noise on k-space, independent from sample to sample, correlated between coils; and its covariance E[n n^H].

    The signal-to-noise ratio is drawn from 30 to 40 where it is not given: the median of the noise-free image over
    tissue, divided by the standard deviation of the noise's real part in one coil, which is about that of the magnitude
    image.

    clean: noise-free k-space.  covariance: up to a factor, of mean variance 1.
    """
    image = root_sum_of_squares(clean)
    drawn = rng.uniform(*_SNR)
    sigma = np.median(image[tissue(image)]) / (drawn if snr is None else snr)
    real, imaginary = rng.normal(size=(2, len(clean), clean[0].size))
    noise = sigma * np.linalg.cholesky(covariance) @ (real + 1j * imaginary)
    return clean + noise.reshape(clean.shape), 2 * sigma**2 * covariance
