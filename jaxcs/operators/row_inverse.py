"""The rows of A^H A as matrices, and their exact inverse: the proximal operator of the data term in closed form.

A mask of columns leaves the readout alone, so that A^H A acts on each row of the image by itself, as the matrix

    H_r = (S_r^H S_r) o P,    P[i, j] = p[(i - j) mod nx],

where S_r are the coil sensitivities along the row (coil, nx), o is the product entry by entry, and p the inverse
transform of the mask.  (H_r + weight I)^-1 is computed once for coil maps and mask; every proximal step of
1/2 ||A x - y||^2 is then one product of a matrix and a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from jaxcs.operators.matrices import in_turn
from jaxcs.operators.sense import Sense
from jaxcs.types import Image, Maps

# Matrices that are inverted at once [bytes]; inverting them takes about five times their memory.
_BLOCK_BYTES = 2**26


@partial(jax.tree_util.register_dataclass, data_fields=("real", "imag", "weight"), meta_fields=())
@dataclass(frozen=True)
class RowInverse:
    """weight (A^H A + weight)^-1, of norm at most 1.

    real, imag: (ny, nx, nx), the parts of the matrices, which are Hermitian.  Two real products of a matrix with a
    row's two parts read it once; a complex product is four times slower on a CPU.
    weight: above 0, in the units of A^H A, whose norm is at most 1.

    It is not differentiable in anything but x.
    """

    real: Float[Array, "ny nx nx"]
    imag: Float[Array, "ny nx nx"]
    weight: Float[Array, ""]

    def shrink(self, x: Image) -> Image:
        """weight (A^H A + weight)^-1 x."""
        parts = jnp.stack([jnp.real(x), jnp.imag(x)], axis=-2)
        product = partial(jnp.einsum, "...ykj,yji->...yki", parts, precision=jax.lax.Precision.HIGHEST)
        by_real, by_imag = product(self.real), product(self.imag)
        return jax.lax.complex(
            by_real[..., 0, :] + by_imag[..., 1, :],
            by_real[..., 1, :] - by_imag[..., 0, :],
        )

    def solve(self, sense: Sense, b: Image) -> Image:
        """(A^H A + weight)^-1 b, refined once by its own residual, so that it is exact to float32's rounding."""
        x = self.shrink(b) / self.weight
        return x + self.shrink(b - sense.normal(x) - self.weight * x) / self.weight


def row_inverse(maps: Maps, mask: Bool[Array, "nx"], weight: float | Float[Array, ""]) -> RowInverse:
    """Invert the rows of A^H A + weight.

    maps: (coil, ny, nx), sum over coils of |maps|^2 <= 1.  mask: (nx,), True for measured columns.
    Maps of NaN give matrices of NaN in their rows.
    """
    maps = jax.lax.stop_gradient(maps)
    weight = jnp.asarray(weight, maps.real.dtype)
    rows, convolution = maps.transpose(1, 0, 2), _convolution(mask, maps.dtype)
    real, imag = jax.lax.platform_dependent(rows, convolution, weight, cpu=_one_by_one, default=_in_blocks)
    return RowInverse(real, imag, weight)


def _one_by_one(rows: Array, convolution: Array, weight: Array) -> tuple[Array, Array]:
    real, imag = in_turn(_inverted, rows, convolution, weight)
    return real, imag


def _in_blocks(rows: Array, convolution: Array, weight: Array) -> tuple[Array, Array]:
    ny, nx = rows.shape[0], rows.shape[-1]
    size = max(1, min(ny, _BLOCK_BYTES // (nx * nx * rows.dtype.itemsize)))
    padded = jnp.pad(rows, ((0, -ny % size), (0, 0), (0, 0))).reshape(-1, size, *rows.shape[1:])
    real, imag = jax.lax.map(jax.vmap(lambda row: _inverted(row, convolution, weight)), padded)
    return real.reshape(-1, nx, nx)[:ny], imag.reshape(-1, nx, nx)[:ny]


def _inverted(row: Array, convolution: Array, weight: Array) -> tuple[Array, Array]:
    identity = jnp.eye(row.shape[-1], dtype=row.dtype)
    factor = jnp.linalg.cholesky(_matrix(row, convolution) + weight * identity)
    found = weight * jax.scipy.linalg.cho_solve((factor, True), identity)
    # Hermitian to the last bit, so that the operator is its own adjoint.
    found = (found + jnp.conj(found.T)) / 2
    return jnp.real(found), jnp.imag(found)


def row_matrices(maps: Maps, mask: Bool[Array, "nx"]) -> Complex[Array, "ny nx nx"]:
    """A^H A, a Hermitian matrix for each row."""
    convolution = _convolution(mask, maps.dtype)
    return jax.vmap(lambda row: _matrix(row, convolution))(maps.transpose(1, 0, 2))


def inverse_bytes(shape: tuple[int, int, int]) -> int:
    """Memory of the inverse for k-space of (coil, ny, nx) [bytes]."""
    return 8 * shape[1] * shape[2] ** 2


def _matrix(row: Array, convolution: Array) -> Array:
    return jnp.matmul(jnp.conj(row).T, row, precision=jax.lax.Precision.HIGHEST) * convolution


def _convolution(mask: Array, dtype: np.dtype) -> Array:
    """F^H M F as a matrix; centring cancels but for the mask's."""
    nx = mask.shape[0]
    kernel = jnp.fft.ifft(jnp.fft.ifftshift(mask).astype(dtype))
    return kernel[(np.arange(nx)[:, None] - np.arange(nx)[None, :]) % nx]
