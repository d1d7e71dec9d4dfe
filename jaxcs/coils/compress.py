"""Coil compression: fewer virtual coils that keep most of the signal's energy (Huang et al., MRI 26:133, 2008)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Inexact


def compression_matrix(calibration: Inexact[Array, "coil *samples"], n_virtual: int) -> Complex[Array, "virtual coil"]:
    """The `n_virtual` strongest principal components of the coils, by a singular value decomposition.

    calibration: (coil, ...) k-space, of which at least `n_virtual` samples per coil; samples that are zero do not
    count, so that masked k-space will do.  n_virtual: static under jit.

    Returns (virtual, coil), strongest first.  Its rows are orthonormal: white noise stays white, applying the matrix
    and then its conjugate transpose projects on the space kept, and with as many virtual coils as coils nothing is
    lost.  Each row is determined up to a phase.  A coil that is all zeros is given no weight as long as other coils
    have signal to fill the virtual ones.  The energy kept is the largest that any such matrix can keep.

    Raises ValueError for n_virtual < 1, for more virtual coils than coils, or than samples.
    """
    n_coils = calibration.shape[0]
    samples = calibration.reshape(n_coils, -1)
    if not 1 <= n_virtual <= min(samples.shape):
        n_samples = samples.shape[1]
        raise ValueError(f"compression_matrix: {n_virtual} virtual coils from {n_coils} coils with {n_samples} samples")
    left, _, _ = jnp.linalg.svd(samples, full_matrices=False)
    return jnp.conj(left[:, :n_virtual]).T


def compress(
    data: Inexact[Array, "coil *axes"], matrix: Inexact[Array, "virtual coil"]
) -> Inexact[Array, "virtual *axes"]:
    """Combine coils into virtual ones; `data` is k-space, coil images or coil maps.

    With the conjugate transpose of the matrix it is the adjoint.  Raises ValueError where the shapes do not fit.
    """
    if matrix.ndim != 2 or data.shape[0] != matrix.shape[1]:
        raise ValueError(f"compress: matrix is {matrix.shape}, data are {data.shape}; the coils do not agree")
    return jnp.tensordot(matrix, data, axes=1, precision=jax.lax.Precision.HIGHEST)
