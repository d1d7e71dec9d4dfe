"""The rows of A^H A as matrices, and their exact inverse: the proximal operator of the data term in closed form.

A mask of columns does not act on the readout.  So A^H A acts on each row of the image separately, as the matrix

    H_r = (S_r^H S_r) o P,    P[i, j] = p[(i - j) mod nx].

S_r are the coil sensitivities along the row (coil, nx), o is the product entry by entry, and p is the inverse transform
of the mask.  (H_r + weight I)^-1 is computed once for the coil sensitivity maps and the mask.  Every proximal step of
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

# Size of the matrices that are inverted at once [bytes].  The inversion takes about five times their memory.
_BLOCK_BYTES = 2**26


@partial(jax.tree_util.register_dataclass, data_fields=("real", "imag", "weight"), meta_fields=())
@dataclass(frozen=True)
class RowInverse:
    """weight (A^H A + weight)^-1, with a norm of at most 1.  It is differentiable in x alone.

    Two real products of a matrix with a row's two parts read the matrix once.  A complex product is four times slower
    on a CPU.

    Attributes:
        real: (ny, nx, nx) real parts of the Hermitian matrices.
        imag: (ny, nx, nx) imaginary parts of the Hermitian matrices.
        weight: () weight above 0, in the units of A^H A, whose norm is at most 1.
    """

    real: Float[Array, "ny nx nx"]
    imag: Float[Array, "ny nx nx"]
    weight: Float[Array, ""]

    def shrink(self, x: Image) -> Image:
        """Compute weight (A^H A + weight)^-1 x."""
        parts = jnp.stack([jnp.real(x), jnp.imag(x)], axis=-2)
        product = partial(jnp.einsum, "...ykj,yji->...yki", parts, precision=jax.lax.Precision.HIGHEST)
        by_real, by_imag = product(self.real), product(self.imag)
        return jax.lax.complex(
            by_real[..., 0, :] + by_imag[..., 1, :],
            by_real[..., 1, :] - by_imag[..., 0, :],
        )

    def solve(self, sense: Sense, b: Image) -> Image:
        """Compute (A^H A + weight)^-1 b, exact to float32's rounding: the residual corrects it once."""
        x = self.shrink(b) / self.weight
        return x + self.shrink(b - sense.normal(x) - self.weight * x) / self.weight


def row_inverse(maps: Maps, mask: Bool[Array, "nx"], weight: float | Float[Array, ""]) -> RowInverse:
    """Invert the rows of A^H A + weight.

    Args:
        maps: (coil, ny, nx) with a sum over coils of |maps|^2 <= 1.  Maps of NaN give matrices of NaN in their rows.
        mask: (nx,) bool, True for measured columns.
        weight: weight above 0, in the units of A^H A.
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
    # The result is made Hermitian to the last bit, so that the operator is its own adjoint.
    found = (found + jnp.conj(found.T)) / 2
    return jnp.real(found), jnp.imag(found)


def row_matrices(maps: Maps, mask: Bool[Array, "nx"]) -> Complex[Array, "ny nx nx"]:
    """Compute A^H A as a Hermitian matrix for each row, (ny, nx, nx)."""
    convolution = _convolution(mask, maps.dtype)
    return jax.vmap(lambda row: _matrix(row, convolution))(maps.transpose(1, 0, 2))


def inverse_bytes(shape: tuple[int, int, int]) -> int:
    """Compute the memory of the inverse for k-space of `shape` (coil, ny, nx) [bytes]."""
    return 8 * shape[1] * shape[2] ** 2


def _matrix(row: Array, convolution: Array) -> Array:
    return jnp.matmul(jnp.conj(row).T, row, precision=jax.lax.Precision.HIGHEST) * convolution


def _convolution(mask: Array, dtype: np.dtype) -> Array:
    """F^H M F as a matrix.  The centring shifts cancel, except the mask's."""
    nx = mask.shape[0]
    kernel = jnp.fft.ifft(jnp.fft.ifftshift(mask).astype(dtype))
    return kernel[(np.arange(nx)[:, None] - np.arange(nx)[None, :]) % nx]
