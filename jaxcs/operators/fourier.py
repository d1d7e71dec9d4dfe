"""The Fourier transform as an operator, for sparsity in the Fourier basis."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
from jaxtyping import Array, Complex

from jaxcs.fourier import fft2c, ifft2c


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=())
@dataclass(frozen=True)
class Fourier:
    """The centred orthonormal transform of the last two axes; adjoint = inverse."""

    def forward(self, x: Complex[Array, "*batch ny nx"]) -> Complex[Array, "*batch ny nx"]:
        """Transform an image to coefficients."""
        return fft2c(x)

    def adjoint(self, y: Complex[Array, "*batch ny nx"]) -> Complex[Array, "*batch ny nx"]:
        """Transform coefficients to an image."""
        return ifft2c(y)
