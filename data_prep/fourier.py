"""Centred orthonormal Fourier transforms of host arrays, along any axes and in the precision of their input.

The convention is the same as in `jaxcs.fourier`, which offers neither other axes nor other precisions.
"""

from __future__ import annotations

import numpy as np

_IMAGE = (-2, -1)


def forward(image: np.ndarray, axes: tuple[int, ...] = _IMAGE) -> np.ndarray:
    """Transform an image to k-space; the transform is unitary.

    Args:
        image: array of any shape.
        axes: axes to transform.

    Returns:
        K-space, in the shape and precision of the image.
    """
    return np.fft.fftshift(np.fft.fftn(np.fft.ifftshift(image, axes=axes), axes=axes, norm="ortho"), axes=axes)


def inverse(kspace: np.ndarray, axes: tuple[int, ...] = _IMAGE) -> np.ndarray:
    """Transform k-space to an image, the inverse of `forward`.

    Args:
        kspace: array of any shape.
        axes: axes to transform.

    Returns:
        The image, in the shape and precision of k-space.
    """
    return np.fft.fftshift(np.fft.ifftn(np.fft.ifftshift(kspace, axes=axes), axes=axes, norm="ortho"), axes=axes)


def root_sum_of_squares(kspace: np.ndarray) -> np.ndarray:
    """Combine the coils' images by the root sum of squares.

    The arithmetic is float64, because the squares of raw values of 1e-25 are below the range of float32.

    Args:
        kspace: (coil, ny, nx) k-space.

    Returns:
        (ny, nx) float64 image.
    """
    power = np.zeros(kspace.shape[1:])
    for coil in kspace:
        power += np.abs(inverse(coil.astype(np.complex128))) ** 2
    return np.sqrt(power)
