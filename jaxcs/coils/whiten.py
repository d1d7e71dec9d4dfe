"""Pre-whitening: coils whose noise is uncorrelated and of variance 1 (Pruessmann et al., MRM 46:638, 2001)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.linalg import solve_triangular
from jaxtyping import Array, Complex, Inexact

# A coil whose noise is explained by the other coils up to this share of its variance, in units of the rounding error,
# counts as dependent on them.
_SINGULAR = 100.0


def estimate_covariance(noise: Inexact[Array, "coil *samples"]) -> Complex[Array, "coil coil"]:
    """Sample covariance mean(n n^H) of noise without signal, which is taken to have mean 0.

    noise: (coil, ...), for instance from a scan without excitation.  Returns (coil, coil), Hermitian, in squared units
    of the noise; real and imaginary parts together have the variance on its diagonal.
    """
    samples = noise.reshape(noise.shape[0], -1)
    gram = jnp.matmul(samples, jnp.conj(samples).T, precision=jax.lax.Precision.HIGHEST)
    return gram / samples.shape[1]


def whiten(data: Inexact[Array, "coil *axes"], covariance: Inexact[Array, "coil coil"]) -> Inexact[Array, "coil *axes"]:
    """L^{-1} data, where the covariance is L L^H (Cholesky): noise of that covariance gets the identity for its own.

    data: (coil, ...) k-space; coil maps must be whitened along with it.  Where the covariance is singular (a coil that
    is all zeros, two coils that are one, fewer noise samples than coils) or not positive, no such transform exists
    and all of the result is NaN: check `jnp.isfinite` on the host.  Raises ValueError where the shapes do not fit.
    """
    n_coils = data.shape[0]
    if covariance.shape != (n_coils, n_coils):
        raise ValueError(f"whiten: covariance is {covariance.shape}, data are {data.shape}; the coils do not agree")
    factor = jnp.linalg.cholesky(covariance)
    # A pivot is the variance of a coil that the coils before it do not explain.  Rounding leaves a small positive one
    # where it should be 0, so that Cholesky alone would not notice.
    pivots, variances = jnp.real(jnp.diagonal(factor)) ** 2, jnp.real(jnp.diagonal(covariance))
    regular = jnp.all(pivots > _SINGULAR * jnp.finfo(pivots.dtype).eps * variances)
    white = solve_triangular(factor, data.reshape(n_coils, -1), lower=True).reshape(data.shape)
    return jnp.where(regular, white, jnp.nan)
