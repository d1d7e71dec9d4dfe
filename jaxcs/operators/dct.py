"""Orthonormal two-dimensional discrete cosine transform (DCT-II)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Inexact


def dct_matrix(n: int) -> Float[np.ndarray, "n n"]:
    """Make the orthogonal DCT-II matrix, (n, n) float32 (Ahmed et al., IEEE TC 23:90, 1974).

    C[k, i] = sqrt((2 - [k = 0]) / n) cos(pi k (2 i + 1) / (2 n)).
    """
    k, i = np.mgrid[:n, :n]
    return (np.sqrt((2 - (k == 0)) / n) * np.cos(np.pi * k * (2 * i + 1) / (2 * n))).astype(np.float32)


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=())
@dataclass(frozen=True)
class DCT:
    """The separable orthonormal DCT-II of the last two axes; adjoint = inverse.  Any size, real or complex."""

    def forward(self, x: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
        """Transform an image to coefficients."""
        ny, nx = x.shape[-2:]
        return _separable(dct_matrix(ny), x, dct_matrix(nx).T)

    def adjoint(self, y: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
        """Transform coefficients to an image."""
        ny, nx = y.shape[-2:]
        return _separable(dct_matrix(ny).T, y, dct_matrix(nx))


def _separable(left: np.ndarray, x: Array, right: np.ndarray) -> Array:
    """left @ x @ right in full float32.  A complex product with real matrices would cost four times as much."""
    if jnp.iscomplexobj(x):
        return jax.lax.complex(_separable(left, x.real, right), _separable(left, x.imag, right))
    highest = jax.lax.Precision.HIGHEST
    return jnp.matmul(jnp.matmul(left, x, precision=highest), right, precision=highest)
