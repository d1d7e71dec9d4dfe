"""The simulated receiver of phantoms and images: eight loops around the field of view, and the noise that they share.

Arithmetic is float64, and random numbers are RandomState's, whose streams are frozen.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Complex, Float

from data_prep.fourier import root_sum_of_squares
from jaxcs.coils.simulate import loop_sensitivities, noise_covariance

COILS = 8
# The array's radius in half diagonals of the field of view, and a loop's radius in radii of the array: neighbours
# overlap by a tenth.  Wider arrays see the rim and the centre more alike, but encode less.
_ARRAY_RADIUS = 1.5
_LOOP_RADIUS = 0.42
_COUPLING = 0.3
_SNR = (30.0, 40.0)
_TISSUE = 0.1


def sensitivities(shape: tuple[int, int], extent: tuple[float, float]) -> Complex[np.ndarray, "coil ny nx"]:
    """Coil sensitivities on a grid of `shape` over a field of view of `extent`, both (rows, columns)."""
    radius = _ARRAY_RADIUS * float(np.hypot(*extent)) / 2
    return loop_sensitivities(shape, extent, COILS, radius, _LOOP_RADIUS * radius)


def tissue(image: Float[np.ndarray, "ny nx"]) -> Bool[np.ndarray, "ny nx"]:
    """Where a magnitude image exceeds a tenth of its maximum."""
    return image > _TISSUE * image.max()


def add_noise(
    clean: Complex[np.ndarray, "coil ny nx"],
    maps: Complex[np.ndarray, "coil my mx"],
    support: Bool[np.ndarray, "my mx"],
    rng: np.random.RandomState,
) -> tuple[Complex[np.ndarray, "coil ny nx"], Complex[np.ndarray, "coil coil"]]:
    """Noise on k-space, independent from sample to sample, correlated between coils; and its covariance E[n n^H].

    The signal-to-noise ratio is drawn from 30 to 40: the median of the noise-free image over tissue, divided by the
    standard deviation of the noise's real part in one coil, which is about that of the magnitude image.

    clean: noise-free k-space.  maps, support: coil sensitivities and the object on any grid, which decide what noise
    the coils share.
    """
    image = root_sum_of_squares(clean)
    sigma = np.median(image[tissue(image)]) / rng.uniform(*_SNR)
    covariance = noise_covariance(maps, support, _COUPLING)
    real, imaginary = rng.normal(size=(2, COILS, clean[0].size))
    noise = sigma * np.linalg.cholesky(covariance) @ (real + 1j * imaginary)
    return clean + noise.reshape(clean.shape), 2 * sigma**2 * covariance
