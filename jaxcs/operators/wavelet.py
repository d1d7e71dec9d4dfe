"""Orthogonal periodised 2-D wavelet transform, equal to PyWavelets' `periodization` mode.

The method is Mallat's, A Wavelet Tour of Signal Processing, 3rd ed., section 7.3 (fast orthogonal transform, periodic
boundary).  Each level is computed in polyphase form.  With the even and odd samples as two half-length signals, every
filter tap is a whole shifted array.  Compilers fuse these into one pass over memory (four times faster on a CPU than
dense matrix products).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pywt
from jaxtyping import Array, Inexact


@lru_cache
def filters(name: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the low- and high-pass analysis taps of an orthogonal PyWavelets filter.

    Args:
        name: such as "haar", "db4", "sym5", "coif1".

    Raises:
        ValueError: If the filter is unknown or not orthogonal.
    """
    known = pywt.wavelist(kind="discrete")
    if name not in known:
        raise ValueError(f"unknown wavelet {name!r}; orthogonal PyWavelets names are haar, db1..db38, sym2.., coif1..")
    wavelet = pywt.Wavelet(name)
    taps = np.array(wavelet.dec_lo)
    # PyWavelets calls dmey orthogonal.  Its taps are so only approximately, which would break every exact adjoint here.
    gram = [float(taps[2 * k :] @ taps[: len(taps) - 2 * k]) for k in range(len(taps) // 2)]
    if not wavelet.orthogonal or not np.allclose(gram, np.eye(len(gram))[0], atol=1e-7):
        raise ValueError(f"wavelet {name!r} is not orthogonal; use haar, dbN, symN or coifN")
    return tuple(wavelet.dec_lo), tuple(wavelet.dec_hi)


def usable_levels(shape: tuple[int, ...], levels: int) -> int:
    """Count how many of `levels` both sides can be halved exactly, which periodisation needs."""
    return next(k for k in range(levels, -1, -1) if all(n % 2**k == 0 for n in shape))


@partial(jax.tree_util.register_dataclass, data_fields=(), meta_fields=("name", "levels"))
@dataclass(frozen=True)
class Wavelet:
    """W: an orthogonal transform of the last two axes, so adjoint = inverse.

    Coefficients have the image's shape, with the coarsest band in the corner, as `pywt.coeffs_to_array` lays them out.
    Both sides must be divisible by 2^levels, see `usable_levels`; otherwise the methods raise ValueError.

    Attributes:
        name: the PyWavelets filter, see `filters`.
        levels: number of levels.
    """

    name: str
    levels: int

    def forward(self, x: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
        """Transform an image to coefficients."""
        return _orthogonal(self, _decomposed, _composed, x)

    def adjoint(self, y: Inexact[Array, "*batch ny nx"]) -> Inexact[Array, "*batch ny nx"]:
        """Transform coefficients to an image."""
        return _orthogonal(self, _composed, _decomposed, y)


def _orthogonal(
    wavelet: Wavelet, apply: Callable[[Wavelet, Array], Array], transpose: Callable[[Wavelet, Array], Array], x: Array
) -> Array:
    """Apply `apply` to real and imaginary parts, with its transpose known to autodiff.

    Autodiff would transpose the slices one by one, which is three times slower than the transform itself.  The result
    of an orthogonal transform solves the system of its transpose, and a linear solve may name both (and keeps jvp and
    vmap).
    """
    if usable_levels(x.shape[-2:], wavelet.levels) < wavelet.levels:
        raise ValueError(f"Wavelet: {wavelet.levels} levels need sides divisible by {2**wavelet.levels}, got {x.shape}")
    # Real taps on complex arrays would be multiplied as complex numbers, at twice the cost.
    parts = jnp.stack([x.real, x.imag]) if jnp.iscomplexobj(x) else x
    result = jax.lax.custom_linear_solve(
        partial(transpose, wavelet),
        parts,
        solve=lambda _, b: apply(wavelet, b),
        transpose_solve=lambda _, b: transpose(wavelet, b),
    )
    return jax.lax.complex(result[0], result[1]) if jnp.iscomplexobj(x) else result


# shifts -> x rolled along axis -2 by each shift.
_Windows = Callable[[Array, list[int]], dict[int, Array]]


def _decomposed(wavelet: Wavelet, x: Array) -> Array:
    return _by_device(partial(_decompose, wavelet), x)


def _composed(wavelet: Wavelet, y: Array) -> Array:
    return _by_device(partial(_compose, wavelet), y)


def _by_device(transform: Callable[[_Windows, Array], Array], x: Array) -> Array:
    padded = partial(transform, _padded)
    # A TPU has no quick way to gather.
    result: Array = jax.lax.platform_dependent(x, cpu=padded, tpu=padded, default=partial(transform, _gathered))
    return result


@partial(jax.jit, static_argnums=(0, 1))
def _decompose(wavelet: Wavelet, windows: _Windows, x: Array) -> Array:
    if wavelet.levels == 0:
        return x
    ny, nx = x.shape[-2:]
    band = _analyse(_analyse(x, wavelet.name, windows, -2), wavelet.name, windows, -1)
    coarse = _decompose(Wavelet(wavelet.name, wavelet.levels - 1), windows, band[..., : ny // 2, : nx // 2])
    return band.at[..., : ny // 2, : nx // 2].set(coarse)


@partial(jax.jit, static_argnums=(0, 1))
def _compose(wavelet: Wavelet, windows: _Windows, y: Array) -> Array:
    if wavelet.levels == 0:
        return y
    ny, nx = y.shape[-2:]
    coarse = _compose(Wavelet(wavelet.name, wavelet.levels - 1), windows, y[..., : ny // 2, : nx // 2])
    band = y.at[..., : ny // 2, : nx // 2].set(coarse)
    return _synthesise(_synthesise(band, wavelet.name, windows, -1), wavelet.name, windows, -2)


def _taps(name: str) -> list[tuple[float, float, int, int]]:
    """(low, high, phase, shift) for each tap, such that low[k] sums tap * x[2 (k + shift) + phase]."""
    low, high = filters(name)
    centre = len(low) // 2  # where PyWavelets' periodization puts the filter
    return [(low[j], high[j], (centre - j) % 2, (centre - j) // 2) for j in range(len(low))]


def _padded(x: Array, shifts: list[int]) -> dict[int, Array]:
    """x rolled along axis -2 by each of `shifts`, as slices of one periodically padded array."""
    before, after = max(0, -min(shifts)), max(0, max(shifts))
    padding = ((0, 0),) * (x.ndim - 2) + ((before, after), (0, 0))
    padded = jnp.pad(x, padding, mode="wrap")
    n = x.shape[-2]
    return {shift: padded[..., before + shift : before + shift + n, :] for shift in shifts}


def _gathered(x: Array, shifts: list[int]) -> dict[int, Array]:
    """The same by indices, which XLA makes part of the kernel that uses them; it would write a padded array first."""
    place = np.arange(x.shape[-2], dtype=np.int32)
    return {shift: jnp.take(x, (place + shift) % place.size, axis=-2, mode="clip") for shift in shifts}


def _analyse(x: Array, name: str, windows: _Windows, axis: int) -> Array:
    """One level along `axis`: (low band, high band) stacked."""
    x = jnp.swapaxes(x, axis, -2)
    taps = _taps(name)
    phases = [windows(x[..., phase::2, :], [shift for _, _, p, shift in taps if p == phase]) for phase in (0, 1)]
    low = sum(low * phases[phase][shift] for low, _, phase, shift in taps)
    high = sum(high * phases[phase][shift] for _, high, phase, shift in taps)
    return jnp.swapaxes(jnp.concatenate([low, high], axis=-2), axis, -2)


def _synthesise(y: Array, name: str, windows: _Windows, axis: int) -> Array:
    """The transpose of `_analyse`, which is its inverse."""
    y = jnp.swapaxes(y, axis, -2)
    taps = _taps(name)
    half = y.shape[-2] // 2
    shifts = [-shift for _, _, _, shift in taps]
    lows, highs = windows(y[..., :half, :], shifts), windows(y[..., half:, :], shifts)
    phases = [
        sum(low * lows[-shift] + high * highs[-shift] for low, high, p, shift in taps if p == phase) for phase in (0, 1)
    ]
    x = jnp.stack(phases, axis=-2).reshape(y.shape)
    return jnp.swapaxes(x, axis, -2)
