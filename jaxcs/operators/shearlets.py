"""The undecimated shearlet transform, which filters an image by each of the system's windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from jaxcs.fourier import inverse_fft
from jaxcs.operators.shearlet_windows import Family, Windows, windows


@partial(jax.tree_util.register_dataclass, data_fields=("windows",), meta_fields=())
@dataclass(frozen=True)
class Shearlets:
    """Psi x = F^-1 (H_j F x) for the windows H_j.  A tight system has Psi^H Psi = 1.

    Attributes:
        windows: (band, ny, nx) real windows with the zero frequency in the corner; the low-pass is the last.
    """

    windows: Float[Array, "band ny nx"] | Windows

    def forward(self, x: Inexact[Array, "ny nx"]) -> Inexact[Array, "band ny nx"]:
        """Transform an image to coefficients; those of a real image are real."""
        filtered = inverse_fft(jnp.asarray(self.windows) * jnp.fft.fft2(x))
        return filtered if jnp.iscomplexobj(x) else jnp.real(filtered)

    def adjoint(self, y: Inexact[Array, "band ny nx"]) -> Inexact[Array, "ny nx"]:
        """Apply the adjoint, which is the inverse of a tight system."""
        combined = inverse_fft(jnp.sum(self.windows * jnp.fft.fft2(y), axis=0))
        return combined if jnp.iscomplexobj(y) else jnp.real(combined)

    @property
    def spectrum(self) -> Float[Array, "ny nx"]:
        """The eigenvalues of Psi^H Psi at each frequency; the zero frequency is in the corner."""
        return jnp.sum(self.windows**2, axis=0)


def shearlets(
    shape: tuple[int, int],
    levels: tuple[int, ...] = (1, 1, 2),
    family: Family = "compact",
    tight: bool = True,
) -> Shearlets:
    """Build the transform of images of one shape.

    Args:
        shape: (ny, nx) of the image.
        levels: shear level of each scale, the coarsest scale first.
        family: construction of the windows.
        tight: whether the windows are scaled to a tight frame; "meyer" is one anyway.
    """
    return Shearlets(windows(family, shape, levels, tight))
