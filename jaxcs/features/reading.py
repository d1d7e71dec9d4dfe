"""Reading of glyphs in a reconstruction: how many an observer who knows the alphabet still tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcs.features.glyphs import ALPHABET, COLUMNS, GLYPHS, ROWS, Placement, shares
from jaxcs.fourier import fft2c, ifft2c

# Pixels around a glyph that are compared as well, and by which the glyphs of the alphabet are moved.
_MARGIN, _SHIFTS = 2, (-1, 0, 1)
# A picture that changes by less than this share of its largest value shows nothing.
_NOTHING = 1e-6
Picture = Float[Array, "ty tx"]


def read(picture: Picture, placements: Sequence[Placement], alphabet: Sequence[str] = ALPHABET) -> list[str | None]:
    """Read glyphs: for each the one of the alphabet whose normalised correlation with the picture is largest.

    The glyphs of the alphabet are compared at the right place and up to a pixel beside it.

    Args:
        picture: (ty, tx) picture; for a change of the scan the reconstruction with it minus that without it.
        placements: place and height of each glyph; what it is does not matter.
        alphabet: the glyphs that each may be.

    Returns:
        The glyphs, None for each place where the picture is constant.

    Raises:
        ValueError: If a glyph does not lie in the picture.
    """
    known = jnp.asarray(np.stack([GLYPHS[name] for name in alphabet]), jnp.float32)
    found: list[str | None] = []
    for one in placements:
        height, width = one.height, one.height * COLUMNS / ROWS
        for middle, length, size in zip(one.centre, (height, width), picture.shape, strict=True):
            if middle - length / 2 < -0.5 or middle + length / 2 > size - 0.5:
                raise ValueError(f"a glyph at {one.centre} of height {height:g} leaves the picture {picture.shape}")
        patch = (int(np.ceil(height)) + 2 * _MARGIN + 1, int(np.ceil(width)) + 2 * _MARGIN + 1)
        at = jnp.asarray(one.centre, jnp.float32)
        best, there = _best(patch, jnp.asarray(picture, jnp.float32), at, jnp.float32(height), known)
        found.append(alphabet[int(best)] if there else None)
    return found


def read_rate(picture: Picture, placements: Sequence[Placement], alphabet: Sequence[str] = ALPHABET) -> float:
    """Compute the share of glyphs that are read as what they are [-].

    A picture of noise has the rate of chance, one over the size of the alphabet.  An empty picture has the rate 0.

    Args:
        picture: (ty, tx) picture, see `read`.
        placements: the glyphs.
        alphabet: the glyphs that each may be.
    """
    found = read(picture, placements, alphabet)
    return sum(name == one.glyph for name, one in zip(found, placements, strict=True)) / len(placements)


def without_background(image: Picture, height: float) -> Picture:
    """Remove what is smooth, so that glyphs can be read in a single image.

    Args:
        image: (ty, tx) reconstruction with glyphs.
        height: height of the glyphs; a Gaussian mean with half of it as standard deviation is removed [pixels].
    """
    rows, columns = ((jnp.arange(n, dtype=jnp.float32) - n // 2) / n for n in image.shape)
    smooth = jnp.exp(-2 * (jnp.pi * height / 2) ** 2 * (rows[:, None] ** 2 + columns**2))
    return image - jnp.real(ifft2c(smooth * fft2c(image)))


@partial(jax.jit, static_argnums=0)
def _best(
    shape: tuple[int, int], picture: Picture, centre: Array, height: Array, known: Float[Array, "glyph 9 7"]
) -> tuple[Array, Array]:
    """The number of the best glyph for the patch of this shape about the centre, and whether anything is there."""
    padded = jnp.pad(picture, [(size, size) for size in shape], mode="edge")
    start = jnp.round(centre - (jnp.asarray(shape) - 1) / 2).astype(jnp.int32)
    patch = jax.lax.dynamic_slice(padded, start + jnp.asarray(shape), shape)
    inside = centre - start
    rows, columns = (
        jnp.stack([shares(shape[axis], count, inside[axis] + shift, height / ROWS) for shift in _SHIFTS])
        for axis, count in enumerate((ROWS, COLUMNS))
    )
    templates = jnp.einsum("ayr,grc,bxc->gabyx", rows, known, columns, precision=jax.lax.Precision.HIGHEST)
    scores = jnp.sum(_standard(templates) * _standard(patch), axis=(-2, -1))
    there = jnp.max(patch) - jnp.min(patch) > _NOTHING * jnp.max(jnp.abs(picture))
    return jnp.argmax(jnp.max(scores, axis=(1, 2))), there


def _standard(pictures: Float[Array, "*batch py px"]) -> Float[Array, "*batch py px"]:
    away = pictures - jnp.mean(pictures, axis=(-2, -1), keepdims=True)
    size = jnp.sqrt(jnp.sum(away**2, axis=(-2, -1), keepdims=True))
    return away / jnp.where(size > 0, size, 1.0)
