"""Hallucinations: parts of an image that are neither in the truth nor in what the scan can measure.

The definition follows Bhadra et al., IEEE TMI 40:3249, 2021.

A direction v of the image with a small ||A v|| is decided by the method and not by the data.  An error there is
invented or left out, and no comparison with the data finds it.  Bhadra et al. cut the singular values of A off; here

    null(x) = x - (A^H A + threshold)^-1 A^H A x = threshold (A^H A + threshold)^-1 x

lets each direction through by the share threshold / (threshold + sigma^2), which is differentiable and exact row by
row.  sigma <= 1 is the direction's singular value.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, Inexact

from jaxcs.complex import abs2, magnitude, unit_phase
from jaxcs.operators import Sense
from jaxcs.operators.row_inverse import row_inverse
from jaxcs.solvers import cg
from jaxcs.types import Magnitude, Maps, Mask

# sigma^2 at which half of a direction counts as measured [-].  There least squares enlarges noise tenfold.
THRESHOLD = 0.01
# An image that brings less than this share of its largest value into the null space invents nothing there.
_VISIBLE = 0.01
# Conjugate gradients for masks of single samples, whose rows are not separate.
_ITERATIONS = 200


def null_part(
    image: Complex[Array, "*batch ny nx"], maps: Maps, mask: Mask, threshold: float = THRESHOLD
) -> Complex[Array, "*batch ny nx"]:
    """Compute the part of an image that the scan does not measure.

    Args:
        image: (..., ny, nx) complex; leading axes are further images.
        maps: (coil, ny, nx) coil sensitivity maps, with a sum over coils of |maps|^2 <= 1.
        mask: (nx,) or (ny, nx), True where measured.
        threshold: squared singular value, between 0 and 1, at which half of a direction counts as measured [-].

    Returns:
        (..., ny, nx) complex, in the units of the image.
    """
    return _projection(maps, mask, threshold)(image)


def _projection(maps: Maps, mask: Mask, threshold: float) -> Callable[[Array], Array]:
    """The function `null_part` of one scan; the inverse of the rows is computed once."""
    if mask.ndim == 1:
        return row_inverse(maps, mask, threshold).shrink

    def null(image: Array) -> Array:
        normal = Sense(maps, mask).normal
        for _ in range(image.ndim - 2):
            normal = jax.vmap(normal)
        return cg(lambda x: normal(x) / threshold + x, image, _ITERATIONS)

    return null


def hallucination_map(
    image: Inexact[Array, "ny nx"],
    truth: Complex[Array, "ny nx"],
    maps: Maps,
    mask: Mask,
    threshold: float = THRESHOLD,
) -> Magnitude:
    """Compute |null(image) - null(truth)| wherever the image brings something into the null space, 0 elsewhere.

    Where |null(image)| is under a hundredth of the truth's largest value, the method adds nothing: what is missing
    there is not invented.  A zero-filled image therefore hallucinates next to nothing.

    Args:
        image: (ny, nx) reconstruction before any crop.  Magnitudes get the phase of the truth.
        truth: (ny, nx) complex true image, such as `Sense(maps, jnp.ones(nx, bool)).adjoint` of fully sampled data.
        maps: (coil, ny, nx) coil sensitivity maps, with a sum over coils of |maps|^2 <= 1.
        mask: (nx,) or (ny, nx), True where measured.
        threshold: squared singular value at which half of a direction counts as measured [-].

    Returns:
        (ny, nx) map, in the units of the image.

    Raises:
        ValueError: If image, truth and maps are not of one shape.
    """
    if not image.shape == truth.shape == maps.shape[1:]:
        raise ValueError(
            f"hallucination_map: image is {image.shape}, truth is {truth.shape}, maps are {maps.shape}; need images "
            "before the crop"
        )
    return hallucinations(truth, maps, mask, threshold)(image)


def hallucinations(
    truth: Complex[Array, "ny nx"], maps: Maps, mask: Mask, threshold: float = THRESHOLD
) -> Callable[[Inexact[Array, "ny nx"]], Magnitude]:
    """Build `hallucination_map` for many images of one scan; what the scan alone decides is computed once.

    Args:
        truth: as in `hallucination_map`.
        maps: as in `hallucination_map`.
        mask: as in `hallucination_map`.
        threshold: as in `hallucination_map`.

    Returns:
        The function from an image to its map.
    """
    null, phase = _projection(maps, mask, threshold), unit_phase(truth)
    true, least = null(truth), _VISIBLE * jnp.max(magnitude(truth))

    def mapped(image: Inexact[Array, "ny nx"]) -> Magnitude:
        brought = null(image if jnp.iscomplexobj(image) else image * phase)
        return jnp.where(magnitude(brought) > least, magnitude(brought - true), 0.0)

    return mapped


def hallucinated_energy(
    image: Inexact[Array, "ny nx"],
    truth: Complex[Array, "ny nx"],
    maps: Maps,
    mask: Mask,
    threshold: float = THRESHOLD,
) -> Float[Array, ""]:
    """Compute the energy of the hallucination map over that of the truth, ||map||^2 / ||truth||^2.

    It is differentiable in the image, so that an attack can drive it up.

    Args:
        image: as in `hallucination_map`.
        truth: as in `hallucination_map`.
        maps: as in `hallucination_map`.
        mask: as in `hallucination_map`.
        threshold: as in `hallucination_map`.

    Returns:
        The share, () [-].
    """
    return jnp.sum(hallucination_map(image, truth, maps, mask, threshold) ** 2) / jnp.sum(abs2(truth))
