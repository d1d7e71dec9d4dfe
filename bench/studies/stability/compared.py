"""The comparison of two reconstructions: by magnitudes, or by complex coil images as Algorithm 1 for two networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.studies.stability.worlds import COMPLEX
from bench.studies.staged import Staged
from jaxcs.fourier import image_crop
from jaxcs.recon.cyclic import coils_of
from jaxcs.types import Key, Measurement


def is_complex(subject: Subject, residual: str) -> bool:
    """Return whether complex images of a method are compared: if they are asked for, and the method gives them."""
    return residual == COMPLEX and (subject.method.predict is not None or subject.method.coils is not None)


def compared(
    subject: Subject, method_config: Any, residual: str, image: Callable[[Staged, Array, Key], Array]
) -> Callable[[Staged, Array, Key], Array]:
    """Build the function whose changes are measured.

    Args:
        subject: the method.
        method_config: its configuration, fitted to the size of the slice.
        residual: a name of `worlds.RESIDUALS`.
        image: staged, (coil, ny, nx) k-space, key -> (ty, tx) magnitude.

    Returns:
        `image` itself, or staged, k-space, key -> (2, coil, ty, tx) real and imaginary parts of the coil images.  Their
        norm is that of the complex image if the squared coil maps add up to 1.
    """
    if not is_complex(subject, residual):
        return image
    coils = coils_of(subject.method, method_config)

    def parts(staged: Staged, kspace: Array, key: Key) -> Array:
        data = staged.data
        measurement = Measurement(jnp.where(data.mask, kspace, 0), data.mask, data.maps)
        shape = (data.target.shape[0], data.target.shape[1])
        cropped = image_crop(coils(subject.params, measurement, key), shape)
        return jnp.stack([jnp.real(cropped), jnp.imag(cropped)])

    return parts
