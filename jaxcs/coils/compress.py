"""Coil compression: fewer virtual coils that keep most of the signal's energy (Huang et al., MRI 26:133, 2008)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Inexact


def compression_matrix(calibration: Inexact[Array, "coil *samples"], n_virtual: int) -> Complex[Array, "virtual coil"]:
    """Compute the `n_virtual` strongest principal components of the coils by a singular value decomposition.

    White noise stays white under the matrix.  The matrix followed by its conjugate transpose projects onto the virtual
    coils that were kept.  No matrix of this size keeps more energy.  If the number of virtual coils equals the number
    of coils, nothing is lost.

    Args:
        calibration: (coil, ...) k-space with at least `n_virtual` samples per coil.  Zero samples do not count, so
            masked k-space can be used.
        n_virtual: number of virtual coils, static under jit.

    Returns:
        (virtual, coil) matrix with orthonormal rows, strongest first.  Each row is determined up to a phase.  A coil of
        zeros has no weight as long as the other coils have enough signal to fill the virtual coils.

    Raises:
        ValueError: If `n_virtual` is below 1, or above the number of coils or of samples.
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
    """Combine coils into virtual coils.

    The same function with the conjugate transpose of the matrix is the adjoint.

    Args:
        data: (coil, ...) k-space, coil images or coil sensitivity maps.
        matrix: (virtual, coil) matrix, for instance from `compression_matrix`.

    Returns:
        (virtual, ...) combined data.

    Raises:
        ValueError: If the shapes do not fit.
    """
    if matrix.ndim != 2 or data.shape[0] != matrix.shape[1]:
        raise ValueError(f"compress: matrix is {matrix.shape}, data are {data.shape}; the coils do not agree")
    return jnp.tensordot(matrix, data, axes=1, precision=jax.lax.Precision.HIGHEST)
