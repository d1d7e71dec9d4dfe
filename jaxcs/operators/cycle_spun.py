"""Wavelets on several circular shifts of an image: cycle spinning (Coifman & Donoho, Wavelets and Statistics, 1995)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Inexact

from jaxcs.operators.wavelet import Wavelet


def spread_shifts(count: int, levels: int) -> tuple[tuple[int, int], ...]:
    """So many shifts (down, right) of the 4^levels that wavelets on so many levels can tell apart [pixels].

    Level l of the wavelets does not change with a shift by 2^l, so that shifts count modulo 2, 4, ... 2^levels.  These
    are Hammersley's points in base 2 (Hammersley & Handscomb, Monte Carlo Methods, 1964), k and k with its bits
    reversed, as integers: of 4^j of them each pair modulo 2^j occurs once, so that the finest levels, which show their
    grid most, see all of their shifts first.  The diagonal (k, k) has two of the four pairs modulo 2.  Multiplied by an
    odd number they keep that, and few shifts spread over the coarsest level's period.

    Raises ValueError if count is no power of 2, or above 4^levels.
    """
    if count < 1 or count & (count - 1):
        raise ValueError(f"shifts is {count}; it must be a power of 2")
    if count > 4**levels:
        raise ValueError(f"shifts is {count}; of levels={levels} only {4**levels} are different")
    period, bits = 2**levels, count.bit_length() - 1
    apart = period // count + 1 if count < period else 1
    reverse = [sum((k >> bit & 1) << (bits - 1 - bit) for bit in range(bits)) for k in range(count)]
    return tuple((apart * k % period, apart * reverse[k] % period) for k in range(count))


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=("wavelet", "shifts"))
@dataclass(frozen=True)
class CycleSpun:
    """W S_s on the s-th of several images, each an orthogonal transform, so adjoint = inverse.

    shifts: (down, right) of each image [pixels].
    """

    wavelet: Wavelet
    shifts: tuple[tuple[int, int], ...]

    def forward(self, x: Inexact[Array, "shift ny nx"]) -> Inexact[Array, "shift ny nx"]:
        """Images to coefficients."""
        return self.wavelet.forward(self._rolled(x, 1))

    def adjoint(self, y: Inexact[Array, "shift ny nx"]) -> Inexact[Array, "shift ny nx"]:
        """Coefficients to images."""
        return self._rolled(self.wavelet.adjoint(y), -1)

    def _rolled(self, x: Array, sign: int) -> Array:
        def roll(one: tuple[Array, Array]) -> Array:
            return jnp.roll(one[0], one[1], (-2, -1))

        # A loop, because many shifts written out take long to compile.
        return jax.lax.map(roll, (x, sign * jnp.asarray(self.shifts, jnp.int32)))


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=("images",))
@dataclass(frozen=True)
class Frame:
    """The coefficients of one image with all of the shifts, over the root of their number: a tight frame, F^H F = 1."""

    images: CycleSpun

    def forward(self, x: Inexact[Array, "ny nx"]) -> Inexact[Array, "shift ny nx"]:
        """Image to coefficients."""
        count = len(self.images.shifts)
        return self.images.forward(jnp.broadcast_to(x, (count, *x.shape))) / count**0.5

    def adjoint(self, y: Inexact[Array, "shift ny nx"]) -> Inexact[Array, "ny nx"]:
        """Coefficients to image."""
        return jnp.sum(self.images.adjoint(y), axis=0) / len(self.images.shifts) ** 0.5
