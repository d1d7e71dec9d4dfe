"""The structured matrices of LORAKS, and the penalty of filters that annihilate k-space.

A row of the matrix C holds the k-space of all coils in a neighbourhood of one sample.  The rows of a scan with limited
support and smooth coil sensitivities lie near a subspace: there are filters f with f * k = 0.  In the image they are
smooth functions F_c with sum_c F_c(r) x_c(r) = 0.  The matrix S couples each neighbourhood with its mirror image about
the zero frequency.  Its real filters demand Re sum_c F_c(r) x_c(r) = 0, which a smooth phase of the image fulfils too
(Haldar, IEEE Trans. Med. Imaging 33:668, 2014; Haldar & Zhuo, MRM 75:1499, 2016).

Here both matrices are real: the real and imaginary parts of f are the unknowns.  S has the rows
f * k + conj(mirrored(f * k)), and C has the rows f * k.

The penalty sum_j w_j ||f_j * k||^2 needs no filter by itself.  With filters that wrap around at the edge of k-space it
is a quadratic form at each pixel, whose matrices are trigonometric polynomials of low degree.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from jaxcs.types import Kspace, Mask

_HIGHEST = jax.lax.Precision.HIGHEST
# Size of the rows of the structured matrix that are held at once [bytes].
_BLOCK_BYTES = 2**24


def neighbourhood(radius: int) -> list[tuple[int, int]]:
    """List the offsets (row, column) of the samples within a disc, as LORAKS has them [samples]."""
    across = range(-radius, radius + 1)
    return [(i, j) for i in across for j in across if i**2 + j**2 <= radius**2]


def complete(mask: Mask, shape: tuple[int, int], radius: int) -> Bool[Array, "ny nx"]:
    """Find the samples whose neighbourhood is measured completely and does not leave the k-space.

    Args:
        mask: (nx,) or (ny, nx) bool, True where measured.
        shape: (ny, nx).
        radius: radius of the neighbourhood [samples].
    """
    measured = jnp.broadcast_to(mask, shape)
    inside = np.zeros(shape, bool)
    inside[radius : shape[0] - radius, radius : shape[1] - radius] = True
    found = jnp.asarray(inside)
    for i, j in neighbourhood(radius):
        found &= jnp.roll(measured, (-i, -j), (0, 1))
    return found


def gram(kspace: Kspace, mask: Mask, radius: int, *, phase: bool) -> Float[Array, "n n"]:
    """Compute S^T S, or C^T C, of the rows that are measured completely.

    Args:
        kspace: (coil, ny, nx), in units that keep squares within float32.
        mask: (nx,) or (ny, nx) bool, True where measured.
        radius: radius of the neighbourhoods [samples].
        phase: True for S, False for C.

    Returns:
        (2 coil neighbour, 2 coil neighbour): first the real parts of the filters, then their imaginary parts.
    """
    n_coils, ny, nx = kspace.shape
    offsets = neighbourhood(radius)
    weight = complete(mask, (ny, nx), radius)
    if phase:
        weight &= _mirrored(weight)
    sources = jnp.stack([kspace, jnp.conj(_mirrored(kspace))]) if phase else kspace[None]
    size = max(1, _BLOCK_BYTES // (4 * n_coils * len(offsets) * nx * kspace.dtype.itemsize))
    n_blocks = -(-ny // size)
    # Rows beyond the last one have no weight.
    padded = jnp.pad(sources, ((0, 0), (0, 0), (radius, radius + n_blocks * size - ny), (0, 0)))
    weight = jnp.pad(weight, ((0, n_blocks * size - ny), (0, 0)))

    def block(index: Array) -> Array:
        there = jax.lax.dynamic_slice_in_dim(padded, index * size, size + 2 * radius, axis=2)
        counts = jax.lax.dynamic_slice_in_dim(weight, index * size, size, axis=0)

        def patches(one: Array, sign: int) -> Array:
            rolled = [jnp.roll(one[:, radius + sign * i :][:, :size], -sign * j, axis=-1) for i, j in offsets]
            return jnp.where(counts, jnp.stack(rolled, axis=1), 0).reshape(n_coils * len(offsets), -1)

        p = patches(there[0], 1)
        # The k-space at the mirrored neighbourhood has the offsets' signs reversed.
        q = patches(there[1], -1) if phase else jnp.zeros_like(p)
        both = jnp.concatenate([p + q, 1j * (p - q)])
        rows = jnp.concatenate([jnp.real(both), jnp.imag(both)], axis=1)
        return jnp.matmul(rows, rows.T, precision=_HIGHEST)

    def add(total: Array, index: Array) -> tuple[Array, None]:
        return total + jax.checkpoint(block)(index), None

    n = 2 * n_coils * len(offsets)
    return jax.lax.scan(add, jnp.zeros((n, n), kspace.real.dtype), jnp.arange(n_blocks))[0]


def _mirrored(x: Array) -> Array:
    """Reverse k-space about the zero frequency, at n // 2; the first line of an even axis is its own mirror image."""
    even = tuple(1 - n % 2 for n in x.shape[-2:])
    return jnp.roll(x[..., ::-1, ::-1], even, (-2, -1))


@partial(jax.tree_util.register_dataclass, data_fields=("linear", "conjugate"), meta_fields=())
@dataclass(frozen=True)
class Annihilation:
    """The penalty <x, P x> = sum_j w_j ||f_j * k||^2 / neighbours, of coil images x with the k-space k.

    P is symmetric in Re<x, y>, with eigenvalues from 0 to the largest weight.

    Attributes:
        linear: (coil, coil, ny, nx) complex, Hermitian at each pixel.
        conjugate: (coil, coil, ny, nx) complex, symmetric at each pixel, or None for C, whose penalty does not see the
            phase of x.
    """

    linear: Complex[Array, "coil coil ny nx"]
    conjugate: Complex[Array, "coil coil ny nx"] | None

    def normal(self, x: Complex[Array, "coil ny nx"]) -> Complex[Array, "coil ny nx"]:
        """Compute P x = linear x + conj(conjugate x)."""
        found = jnp.sum(self.linear * x, axis=1)
        return found if self.conjugate is None else found + jnp.conj(jnp.sum(self.conjugate * x, axis=1))


def annihilation(
    weights: Float[Array, "n n"], shape: tuple[int, int, int], radius: int, *, phase: bool
) -> Annihilation:
    """Build the penalty from the weights of all filters, sum_j w_j f_j f_j^T.

    Args:
        weights: symmetric matrix over filters, as `gram` orders them.
        shape: (coil, ny, nx).
        radius: radius of the neighbourhoods [samples].
        phase: True for S, False for C.
    """
    n_coils, ny, nx = shape
    offsets = np.array(neighbourhood(radius))
    half = n_coils * len(offsets)
    real, mixed, imag = weights[:half, :half], weights[:half, half:], weights[half:, half:]
    complex_type = jnp.result_type(weights.dtype, jnp.complex64)
    rows, columns = (_phases(n, 2 * radius, complex_type) for n in (ny, nx))

    def at_pixels(products: Array, lags: np.ndarray) -> Array:
        """Sum products of filters over equal lags, and evaluate sum_d lags[d] exp(-2 pi i d r / n)."""
        side = 4 * radius + 1
        place = ((lags[..., 0] + 2 * radius) * side + lags[..., 1] + 2 * radius).ravel()
        products = products.reshape(n_coils, len(offsets), n_coils, len(offsets)).transpose(0, 2, 1, 3)
        flat = products.reshape(n_coils, n_coils, -1)
        summed = jnp.zeros((n_coils, n_coils, side**2), complex_type).at[..., place].add(flat)
        summed = summed.reshape(n_coils, n_coils, side, side)
        along = jnp.einsum("abij,xj->abix", summed, columns, precision=_HIGHEST)
        return jnp.einsum("abix,yi->abyx", along, rows, precision=_HIGHEST) / (2 * len(offsets))

    # conj(f) f^T and f f^T of the filters f = u + i v, from the products of u and v.
    linear = at_pixels(jax.lax.complex(real + imag, mixed - mixed.T), offsets[None] - offsets[:, None])
    if not phase:
        return Annihilation(linear, None)
    conjugate = at_pixels(jax.lax.complex(real - imag, mixed + mixed.T), offsets[None] + offsets[:, None])
    return Annihilation(linear, conjugate)


def _phases(n: int, most: int, dtype: np.dtype) -> np.ndarray:
    """Compute exp(-2 pi i d r / n) for pixels r about the centre and lags d up to `most`, (n, 2 most + 1)."""
    pixels, lags = np.arange(n) - n // 2, np.arange(-most, most + 1)
    return np.exp(-2j * np.pi * np.outer(pixels, lags) / n).astype(dtype)
