"""A smooth projector onto the null space of a Gram matrix, with a gradient that is finite everywhere.

The projector of a fixed rank turns without bound if the two singular values beside the rank come together, and those of
noisy data lie close.  Its gradient would then be valid for no perturbation of a size that matters.  The weight

    w(s) = 1 / (1 + (s / (threshold s_1))^4)

falls from 1 for small singular values s to 0 for large ones.  The derivative of a function of a symmetric matrix is
that of its divided differences (Daleckii & Krein, AMS Transl. 47:1, 1965; Higham, Functions of Matrices, 2008, theorem
3.11).  For this weight they have a closed form without differences, also if eigenvalues are equal.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.operators.matrices import eigh

_matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


@partial(jax.custom_jvp, nondiff_argnums=(1,))
def null_space(gram: Float[Array, "n n"], threshold: float) -> Float[Array, "n n"]:
    """Compute sum_j w(s_j) v_j v_j^T over the right singular vectors of a matrix with this Gram matrix.

    Args:
        gram: symmetric and positive semidefinite; the s_j^2 are its eigenvalues.
        threshold: singular value with the weight 1/2, relative to the largest [-].

    Returns:
        (n, n) symmetric matrix, with eigenvalues from 0 to 1.  A matrix of zeros gives the identity.
    """
    weight, vectors, _, _ = _spectrum(gram, threshold)
    return _matmul(vectors * weight, vectors.T)


def _spectrum(gram: Array, threshold: float) -> tuple[Array, Array, Array, Array]:
    """The weights, the eigenvectors, the eigenvalues in units of the squared threshold, and this unit."""
    values, vectors = (found[0] for found in eigh(gram[None]))
    unit = threshold**2 * values[-1]
    unit = jnp.where(unit > 0, unit, 1.0)
    shares = jnp.maximum(values, 0) / unit
    return 1 / (1 + shares**2), vectors, shares, unit


@null_space.defjvp
def _null_space_jvp(threshold: float, primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    weight, vectors, shares, unit = _spectrum(primals[0], threshold)
    inner = _matmul(_matmul(vectors.T, tangents[0]), vectors)
    # (w_i - w_j) / (s_i^2 - s_j^2), and how the weights follow the largest singular value.
    differences = -(shares[:, None] + shares[None, :]) * weight[:, None] * weight[None, :] / unit
    of_unit = 2 * shares**2 * weight**2 * threshold**2 / unit
    change = differences * inner + jnp.diag(of_unit) * inner[-1, -1]
    return _matmul(vectors * weight, vectors.T), _matmul(_matmul(vectors, change), vectors.T)
