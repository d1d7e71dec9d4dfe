"""Periodic differences of first and second order, for total generalised variation (Bredies, Kunisch & Pock, 2010).

TGV_2 of an image u is min_p alpha_1 sum |D u - p| + alpha_0 sum |E p| (SIAM J. Imaging Sci. 3:492, 2010), with forward
differences D, and symmetrised backward differences E of the vector field p.  All are periodic here, so that the Fourier
transform diagonalises them.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Inexact

_ROOT = 2**0.5


def gradient(u: Inexact[Array, "ny nx"]) -> Inexact[Array, "2 ny nx"]:
    """D u: the forward differences along rows and columns."""
    return jnp.stack([jnp.roll(u, -1, axis) - u for axis in (0, 1)])


def gradient_adjoint(v: Inexact[Array, "2 ny nx"]) -> Inexact[Array, "ny nx"]:
    """The adjoint of `gradient`."""
    return -_backward(v[0], 0) - _backward(v[1], 1)


def strain(p: Inexact[Array, "2 ny nx"]) -> Inexact[Array, "3 ny nx"]:
    """E p: both diagonal entries, and root 2 times the other, so that |E p| counts the other twice."""
    return jnp.stack([_backward(p[0], 0), _backward(p[1], 1), (_backward(p[0], 1) + _backward(p[1], 0)) / _ROOT])


def strain_adjoint(q: Inexact[Array, "3 ny nx"]) -> Inexact[Array, "2 ny nx"]:
    """The adjoint of `strain`."""
    rows, columns, mixed = (jnp.stack([jnp.roll(part, -1, axis) - part for axis in (0, 1)]) for part in q)
    return -jnp.stack([rows[0] + mixed[1] / _ROOT, columns[1] + mixed[0] / _ROOT])


def symbols(shape: tuple[int, int]) -> tuple[Complex[np.ndarray, "2 ny nx"], Complex[np.ndarray, "2 2 ny nx"]]:
    """Compute the Fourier symbols d of D, and the Hermitian matrices of E^H E, with the zero frequency in the corner.

    Args:
        shape: (ny, nx) of the image.
    """
    waves = [np.exp(2j * np.pi * np.fft.fftfreq(n)) for n in shape]
    forward = np.stack(np.broadcast_arrays(waves[0][:, None] - 1, waves[1] - 1))
    backward = np.stack(np.broadcast_arrays(1 - 1 / waves[0][:, None], 1 - 1 / waves[1]))
    size = np.abs(backward) ** 2
    mixed = np.conj(backward[1]) * backward[0] / 2
    normal = np.array([[size[0] + size[1] / 2, mixed], [np.conj(mixed), size[1] + size[0] / 2]])
    return forward, normal


def _backward(v: Array, axis: int) -> Array:
    return v - jnp.roll(v, 1, axis)
