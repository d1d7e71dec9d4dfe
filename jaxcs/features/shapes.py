"""Shapes of small features: profiles in [0, 1] on the pixels of an image.

All shapes are called with (grid, centre, size).  `grid` is (ny, nx).  `centre` is (2,), rows first, in pixels from the
middle of the first pixel.  `size` is in pixels.  Centre and size may be traced.  All profiles are differentiable in
both, except where the edge of a square or a line just touches the edge of a pixel.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import safe_sqrt
from jaxcs.features.glyphs import SYMBOLS

Profile = Float[Array, "ny nx"]
Shape = Callable[[tuple[int, int], Float[Array, "2"], Float[Array, ""]], Profile]

# Constants of the lesion, chosen by eye to look realistic: shorter over longer axis, amplitudes of the outline's
# irregularities with two and with three lobes, and width of the edge as a share of the size.
_ASPECT, _TWO_LOBES, _THREE_LOBES, _EDGE = 0.7, 0.15, 0.12, 0.12


def square(grid: tuple[int, int], centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """Draw the share of each pixel that a square of side `size` covers: 1 and 0 if its edges lie on edges of pixels."""
    y, x = _offsets(grid, centre)
    return _covered(y, size) * _covered(x, size)


def line(grid: tuple[int, int], centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """Draw a line along the readout (ny), `size` long and one pixel wide in the under-sampled direction."""
    y, x = _offsets(grid, centre)
    return _covered(y, size) * _covered(x, jnp.ones((), jnp.float32))


def disc(grid: tuple[int, int], centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """Draw a disc of diameter `size`, whose edge falls linearly over one pixel."""
    y, x = _offsets(grid, centre)
    return jnp.clip((size + 1) / 2 - safe_sqrt(y**2 + x**2), 0, 1)


def blob(grid: tuple[int, int], centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """Draw a Gaussian with a full width at half maximum of `size`."""
    y, x = _offsets(grid, centre)
    return jnp.exp(-4 * jnp.log(jnp.float32(2)) * (y**2 + x**2) / size**2)


def lesion(grid: tuple[int, int], centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """Draw a soft, irregular ellipse, `size` along its longer axis: neither round nor sharp, as lesions are."""
    y, x = _offsets(grid, centre)
    # Turn the ellipse by 30 degrees, so that its axes differ from the pixels' axes.
    y, x = 0.866 * y - 0.5 * x, (0.866 * x + 0.5 * y) / _ASPECT
    squared = y**2 + x**2
    away = jnp.where(squared > 0, squared, 1.0)
    two, three = (y**2 - x**2) / away, (y**3 - 3 * y * x**2) / away**1.5
    outline = 0.5 * size * (1 + _TWO_LOBES * two + _THREE_LOBES * three)
    return jax.nn.sigmoid((outline - safe_sqrt(squared)) / (_EDGE * size))


SHAPES: dict[str, Shape] = {
    "square": square, "disc": disc, "blob": blob, "line": line, "lesion": lesion, **SYMBOLS,
}  # fmt: skip


def _offsets(grid: tuple[int, int], centre: Float[Array, "2"]) -> tuple[Array, Array]:
    """Rows (ny, 1) and columns (1, nx) of every pixel, relative to the centre."""
    return jnp.arange(grid[0])[:, None] - centre[0], jnp.arange(grid[1])[None, :] - centre[1]


def _covered(offset: Array, length: Array) -> Array:
    """The share of the pixel around `offset` that lies within half of `length` from 0."""
    half = length / 2
    return jnp.clip(jnp.minimum(offset + 0.5, half) - jnp.maximum(offset - 0.5, -half), 0, 1)
