"""Wavelets on several circular shifts of an image: cycle spinning (Coifman & Donoho, Wavelets and Statistics, 1995)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Inexact

from jaxcs.operators.wavelet import Wavelet


def spread_shifts(count: int, levels: int) -> tuple[tuple[int, int], ...]:
    """Choose `count` of the 4^levels circular shifts that wavelets on `levels` levels can tell apart.

    Level l of the wavelets does not change with a shift by 2^l, so shifts count modulo 2, 4, ... 2^levels.  The shifts
    are Hammersley's points in base 2 (Hammersley & Handscomb, Monte Carlo Methods, 1964): k, and k with its bits
    reversed, as integers.  Among 4^j points each pair modulo 2^j occurs once.  The finest levels, which show their grid
    most, thus see all of their shifts first.  The diagonal (k, k) has only two of the four pairs modulo 2.
    Multiplication by an odd number keeps each pair once, and spreads few shifts over the period of the coarsest level.

    Args:
        count: number of shifts, a power of 2.
        levels: levels of the wavelets.

    Returns:
        The shifts (down, right) [pixels].

    Raises:
        ValueError: If `count` is not a power of 2, or above 4^levels.
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
    """W S_s on the s-th of several images.  Each W S_s is an orthogonal transform, so adjoint = inverse.

    Attributes:
        wavelet: the transform W.
        shifts: (down, right) shift S_s of each image [pixels].
    """

    wavelet: Wavelet
    shifts: tuple[tuple[int, int], ...]

    def forward(self, x: Inexact[Array, "shift ny nx"]) -> Inexact[Array, "shift ny nx"]:
        """Transform images to coefficients."""
        return self.wavelet.forward(self._rolled(x, 1))

    def adjoint(self, y: Inexact[Array, "shift ny nx"]) -> Inexact[Array, "shift ny nx"]:
        """Transform coefficients to images."""
        return self._rolled(self.wavelet.adjoint(y), -1)

    def _rolled(self, x: Array, sign: int) -> Array:
        shifts = sign * np.asarray(self.shifts, np.int32)

        def roll(one: tuple[Array, Array]) -> Array:
            return jnp.roll(one[0], one[1], (-2, -1))

        def one_by_one(x: Array) -> Array:
            # A loop is used because many shifts written out take long to compile.
            return jax.lax.map(roll, (x, jnp.asarray(shifts)))

        def together(x: Array) -> Array:
            rows, columns = (
                (np.arange(n, dtype=np.int32) - shifts[:, axis, None]) % n for axis, n in enumerate(x.shape[-2:])
            )
            image = np.arange(len(shifts), dtype=np.int32)[:, None, None]
            return x.at[image, rows[:, :, None], columns[:, None, :]].get(mode="promise_in_bounds")

        # A TPU has no quick way to gather.
        result: Array = jax.lax.platform_dependent(x, cpu=one_by_one, tpu=one_by_one, default=together)
        return result


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=("images",))
@dataclass(frozen=True)
class Frame:
    """The coefficients of one image with all shifts, over the root of their number: a tight frame, F^H F = 1.

    Attributes:
        images: the transforms of the shifted images.
    """

    images: CycleSpun

    def forward(self, x: Inexact[Array, "ny nx"]) -> Inexact[Array, "shift ny nx"]:
        """Transform an image to coefficients."""
        count = len(self.images.shifts)
        return self.images.forward(jnp.broadcast_to(x, (count, *x.shape))) / count**0.5

    def adjoint(self, y: Inexact[Array, "shift ny nx"]) -> Inexact[Array, "ny nx"]:
        """Transform coefficients to an image."""
        return jnp.sum(self.images.adjoint(y), axis=0) / len(self.images.shifts) ** 0.5
