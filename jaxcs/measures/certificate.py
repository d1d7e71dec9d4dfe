"""An upper bound on the error of a linear reconstruction over all perturbations of a ball, beside what an attack finds.

The zero-filled image is x = R y with R = A^H, and SENSE has R = (A^H A + lam)^-1 A^H.  Let c be the error of the clean
image and g_i the singular values of R.  A perturbation e of norm r leaves at most

    max ||c + R e||^2 = min over mu >= max g^2 of  sum_i |c_i|^2 mu / (mu - g_i^2) + mu r^2

with c_i the parts of c along the left singular vectors.  Every mu gives an upper bound (weak duality of the
trust-region problem), so that rounding of the search for the best mu cannot make the certificate wrong.  Magnitudes and
crops move no two images further apart, so that it holds for the magnitude image too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxcs.complex import abs2, magnitude, unit_phase
from jaxcs.fourier import image_slice
from jaxcs.operators.matrices import eigh
from jaxcs.operators.row_inverse import row_matrices
from jaxcs.types import Image, Maps, Mask

# float32's decomposition of the rows may be off by this share of the bound; it is added [-].
_MARGIN = 1e-4
# The search for the best multiplier halves its logarithmic interval so often; one more gains nothing.
_HALVINGS = 60
# Largest ny nx^3 whose rows are decomposed: some 2 s on two cores.
_MOST_WORK = 2e9


def largest_gain(maps: Maps, lam: float | None = None) -> float:
    """Bound the largest singular value of the map from measured data to the complex image.

    A^H A has eigenvalues h from 0 to the largest sum over coils of |maps|^2.  The gain is sqrt(h) for the zero-filled
    image, and sqrt(h) / (h + lam) for SENSE, which is largest at h = lam.

    Args:
        maps: (coil, ny, nx) coil sensitivity maps.
        lam: regularisation weight of SENSE above 0, or None for the zero-filled image.

    Returns:
        The bound [-].
    """
    largest = float(jnp.max(jnp.sum(abs2(maps), axis=0)))
    if lam is None:
        return math.sqrt(largest)
    at = min(lam, largest)
    return math.sqrt(at) / (at + lam)


def error_bounds(
    error: Complex[Array, "ny nx"], radii: Sequence[float], maps: Maps, mask: Mask, lam: float | None = None
) -> list[float]:
    """Bound the norm of the error over all perturbations of the measured data of each size.

    Args:
        error: (ny, nx) clean complex image less the truth, see `error_of`.
        radii: largest l2 norms of a perturbation, in the units of the measurement.
        maps: (coil, ny, nx) coil sensitivity maps.
        mask: (nx,) or (ny, nx), True where measured.
        lam: regularisation weight of SENSE above 0, or None for the zero-filled image.

    Returns:
        The bound for each radius, in the units of the image.  With a mask of columns no bound of the complex image is
        smaller.  A mask of single samples has no separate rows, and large slices take long to decompose: their bound is
        ||error|| + largest_gain * radius.
    """
    gain = largest_gain(maps, lam)
    norm = float(np.linalg.norm(np.asarray(error)))
    bounds = [norm + gain * radius for radius in radii]
    if mask.ndim == 1 and error.shape[0] * error.shape[1] ** 3 <= _MOST_WORK:
        values, vectors = (np.asarray(part) for part in _decomposed(maps, mask))
        parts = np.einsum("yij,yi->yj", vectors.conj(), np.asarray(error), dtype=np.complex128)
        values = np.maximum(values.astype(np.float64), 0)
        gains = np.sqrt(values) / (1 if lam is None else values + lam)
        squares = np.abs(parts) ** 2, np.minimum(gains, gain) ** 2
        bounds = [
            min(bound, _dual(*squares, gain**2, radius)) if radius > 0 else bound
            for bound, radius in zip(bounds, radii, strict=True)
        ]
    return [bound * (1 + _MARGIN) for bound in bounds]


@jax.jit
def _decomposed(maps: Maps, mask: Mask) -> tuple[Array, Array]:
    return eigh(row_matrices(maps, mask))


def error_of(image: Image, target: Float[Array, "ty tx"]) -> Complex[Array, "ny nx"]:
    """Return (|image| - target) with the phase of the image inside the target's central crop, and 0 outside.

    Its norm is the norm of the magnitude image's error, and |image + change| - target is nowhere larger than the
    magnitude of its sum with the change.

    Args:
        image: (ny, nx) clean complex image.
        target: (ty, tx) true magnitudes, of the central part of the image.
    """
    place = tuple(image_slice(whole, part) for whole, part in zip(image.shape, target.shape, strict=True))
    return jnp.zeros_like(image).at[place].set(unit_phase(image)[place] * (magnitude(image)[place] - target))


def _dual(parts: np.ndarray, gains: np.ndarray, largest: float, radius: float) -> float:
    """The square root of the smallest dual value.

    parts: |c_i|^2.  gains: g_i^2.  largest: an upper bound of the gains, from which multipliers begin.
    """

    def slope(excess: float) -> float:
        return radius**2 - float(np.sum(parts * gains / (largest + excess - gains) ** 2))

    # The value is convex in mu = largest + excess; its slope is negative left of the minimum.
    low, high = 1e-9 * largest, largest + math.sqrt(float(np.sum(parts * gains))) / radius
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    mu = largest + high
    return math.sqrt(float(np.sum(parts * mu / (mu - gains))) + mu * radius**2)
