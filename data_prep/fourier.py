"""Centred orthonormal Fourier transforms of host arrays, along any axes and in the precision of their input.

The convention is that of `jaxcs.fourier`, which offers neither.
"""

from __future__ import annotations

import numpy as np

_IMAGE = (-2, -1)


def forward(image: np.ndarray, axes: tuple[int, ...] = _IMAGE) -> np.ndarray:
    """Image to k-space, unitary."""
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(image, axes=axes), axes=axes, norm="ortho"), axes=axes)


def inverse(kspace: np.ndarray, axes: tuple[int, ...] = _IMAGE) -> np.ndarray:
    """K-space to image, the inverse of `forward`."""
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace, axes=axes), axes=axes, norm="ortho"), axes=axes)


def root_sum_of_squares(kspace: np.ndarray) -> np.ndarray:
    """The coils' combined image, (coil, ny, nx) -> (ny, nx) float64: raw values of 1e-25 have squares below float32."""
    power = np.zeros(kspace.shape[1:])
    for coil in kspace:
        power += np.abs(inverse(coil.astype(np.complex128))) ** 2
    return np.sqrt(power)
