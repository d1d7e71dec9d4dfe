"""Centred orthonormal Fourier transforms in the precision of their input, which `jaxcs.fourier` does not offer.

The convention is that of `jaxcs.fourier`; along any axes of host arrays.
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
