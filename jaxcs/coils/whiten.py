"""Pre-whitening: coils whose noise is uncorrelated and of variance 1 (Pruessmann et al., MRM 46:638, 2001)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Complex, Inexact

# A coil counts as dependent on the other coils if they explain its noise up to this share of its variance.  The share
# is in units of the rounding error.
_SINGULAR = 100.0


def estimate_covariance(noise: Inexact[Array, "coil *samples"]) -> Complex[Array, "coil coil"]:
    """Estimate the sample covariance mean(n n^H) of noise without signal, which is assumed to have mean 0.

    Args:
        noise: (coil, ...) noise samples, for instance from a scan without excitation.

    Returns:
        (coil, coil) Hermitian covariance, in squared units of the noise.  Its diagonal is the variance of real and
        imaginary part together.
    """
    samples = noise.reshape(noise.shape[0], -1)
    gram = jnp.matmul(samples, jnp.conj(samples).T, precision=jax.lax.Precision.HIGHEST)
    return gram / samples.shape[1]


def whiten(data: Inexact[Array, "coil *axes"], covariance: Inexact[Array, "coil coil"]) -> Inexact[Array, "coil *axes"]:
    """Compute L^{-1} data for the covariance L L^H (Cholesky), so that noise of this covariance becomes white.

    Coil sensitivity maps must be whitened along with the data.  No such transform exists if the covariance is not
    positive or singular: a coil of zeros, two identical coils, or fewer noise samples than coils.

    Args:
        data: (coil, ...) k-space or coil sensitivity maps.
        covariance: (coil, coil) noise covariance.

    Returns:
        (coil, ...) whitened data.  All entries are NaN if no transform exists: check `jnp.isfinite` on the host.

    Raises:
        ValueError: If the shapes do not fit.
    """
    n_coils = data.shape[0]
    if covariance.shape != (n_coils, n_coils):
        raise ValueError(f"whiten: covariance is {covariance.shape}, data are {data.shape}; the coils do not agree")
    factor = jnp.linalg.cholesky(covariance)
    # A pivot is the variance of a coil that the coils before it do not explain.  Rounding leaves a small positive pivot
    # instead of 0, which Cholesky alone would not notice.
    pivots, variances = jnp.real(jnp.diagonal(factor)) ** 2, jnp.real(jnp.diagonal(covariance))
    regular = jnp.all(pivots > _SINGULAR * jnp.finfo(pivots.dtype).eps * variances)
    white = solve_triangular(factor, data.reshape(n_coils, -1), lower=True).reshape(data.shape)
    return jnp.where(regular, white, jnp.nan)
