"""Letters, digits and the suits of cards as small features, in a bitmap font that was drawn for this project.

Antun et al. (PNAS 2020) insert such symbols to ask whether a method shows details that its training data do not have.
Each glyph has 9 rows and 7 columns of cells.  On an image each pixel has the share of its area that cells cover.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

ROWS, COLUMNS = 9, 7
# Empty columns of cells between the glyphs of a text.
_SPACING = 2

_DRAWN = {
    "A": "...#... ..#.#.. ..#.#.. .#...#. .#...#. .#####. #.....# #.....# #.....#",
    "C": "..####. .#....# #...... #...... #...... #...... #...... .#....# ..####.",
    "E": "####### #...... #...... #...... #####.. #...... #...... #...... #######",
    "I": ".#####. ...#... ...#... ...#... ...#... ...#... ...#... ...#... .#####.",
    "N": "#.....# ##....# #.#...# #.#...# #..#..# #...#.# #...#.# #....## #.....#",
    "S": ".#####. #.....# #...... #...... .#####. ......# ......# #.....# .#####.",
    "T": "####### ...#... ...#... ...#... ...#... ...#... ...#... ...#... ...#...",
    "U": "#.....# #.....# #.....# #.....# #.....# #.....# #.....# #.....# .#####.",
    "0": "..###.. .#...#. #....## #...#.# #..#..# #.#...# ##....# .#...#. ..###..",
    "1": "...#... ..##... .#.#... ...#... ...#... ...#... ...#... ...#... .#####.",
    "2": ".####.. #....#. ......# ......# .....#. ...##.. ..#.... .#..... #######",
    "3": "#####.. .....#. ......# .....#. ..###.. .....#. ......# .....#. #####..",
    "4": ".....#. ....##. ...#.#. ..#..#. .#...#. #....#. ####### .....#. .....#.",
    "5": "####### #...... #...... #####.. .....#. ......# ......# #....#. .####..",
    "6": "...###. ..#.... .#..... #...... #.###.. ##...#. #.....# .#...#. ..###..",
    "7": "####### ......# .....#. .....#. ....#.. ....#.. ...#... ...#... ..#....",
    "8": "..###.. .#...#. .#...#. .#...#. ..###.. .#...#. #.....# .#...#. ..###..",
    "9": "..###.. .#...#. #.....# .#...## ..###.# ......# .....#. ....#.. .###...",
    "\N{BLACK SPADE SUIT}": "...#... ..###.. .#####. ####### ####### ####### ##.#.## ...#... ..###..",
    "\N{BLACK HEART SUIT}": ".##.##. ####### ####### ####### ####### .#####. ..###.. ...#... .......",
    "\N{BLACK DIAMOND SUIT}": "...#... ..###.. ..###.. .#####. ####### .#####. ..###.. ..###.. ...#...",
    "\N{BLACK CLUB SUIT}": "..###.. ..###.. ..###.. ##.#.## ####### ####### ##.#.## ...#... ..###..",
}
SUITS = {
    "spade": "\N{BLACK SPADE SUIT}",
    "heart": "\N{BLACK HEART SUIT}",
    "diamond": "\N{BLACK DIAMOND SUIT}",
    "club": "\N{BLACK CLUB SUIT}",
}
TEXT = "CAN U SEE IT"
# The glyphs among which those of the published text and the suits are read.
ALPHABET = (*sorted(set(TEXT) - {" "}), *SUITS.values())


def _cells(drawn: str) -> Bool[np.ndarray, "9 7"]:
    return np.array([[cell == "#" for cell in row] for row in drawn.split()])


GLYPHS: dict[str, Bool[np.ndarray, "9 7"]] = {name: _cells(drawn) for name, drawn in _DRAWN.items()}


class Placement(NamedTuple):
    """A glyph in an image.

    Attributes:
        glyph: a character of `GLYPHS`.
        centre: (row, column) from the middle of the first pixel [pixels].
        height: height of its 9 rows of cells [pixels]; the width is 7/9 of that.
        intensity: its value, relative to that of other glyphs [-].
    """

    glyph: str
    centre: tuple[float, float]
    height: float
    intensity: float = 1.0


def glyph(
    name: str, grid: tuple[int, int], centre: Float[Array, "2"], size: Float[Array, ""] | float
) -> Float[Array, "ny nx"]:
    """Draw one glyph, a shape as those of `jaxcs.features.shapes` are.

    Args:
        name: a character of `GLYPHS`.
        grid: (ny, nx) of the image.
        centre: (2,) row and column of its centre, from the middle of the first pixel [pixels].
        size: its height [pixels].

    Returns:
        (ny, nx) profile in [0, 1].
    """
    cell = jnp.asarray(size, jnp.float32) / ROWS
    rows, columns = (
        shares(n, count, centre[axis], cell) for axis, (n, count) in enumerate(zip(grid, (ROWS, COLUMNS), strict=True))
    )
    product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    covered = product(product(rows, jnp.asarray(GLYPHS[name], jnp.float32)), columns.T)
    return jnp.clip(covered, 0, 1)


def shares(pixels: int, cells: int, centre: Float[Array, ""], size: Float[Array, ""]) -> Float[Array, "pixel cell"]:
    """Compute the share of each pixel of an axis that each cell covers.

    Args:
        pixels: number of pixels.
        cells: number of cells.
        centre: () middle of all cells, from the middle of the first pixel [pixels].
        size: () length of a cell [pixels].
    """
    start = centre + (jnp.arange(cells, dtype=jnp.float32) - cells / 2) * size
    pixel = jnp.arange(pixels, dtype=jnp.float32)[:, None]
    return jnp.clip(jnp.minimum(pixel + 0.5, start + size) - jnp.maximum(pixel - 0.5, start), 0, 1)


# Shapes by name, called with (grid, centre, size).
SYMBOLS: dict[str, Callable[..., Float[Array, "ny nx"]]] = {
    name: partial(glyph, character) for name, character in SUITS.items()
}


def place(text: str, centre: tuple[float, float], height: float, intensity: float = 1.0) -> list[Placement]:
    """Place the glyphs of a line of text; a space leaves a gap of one glyph.

    Args:
        text: characters of `GLYPHS`, and spaces.
        centre: (row, column) of the middle of the line [pixels].
        height: height of the glyphs [pixels].
        intensity: value of the glyphs, relative to that of others [-].

    Raises:
        ValueError: If a character has no glyph.
    """
    unknown = sorted(set(text) - {" ", *GLYPHS})
    if unknown:
        raise ValueError(f"text: no glyph for {', '.join(map(repr, unknown))}; there are {' '.join(GLYPHS)}")
    advance = height / ROWS * (COLUMNS + _SPACING)
    first = centre[1] - advance * (len(text) - 1) / 2
    return [
        Placement(character, (centre[0], first + number * advance), height, intensity)
        for number, character in enumerate(text)
        if character != " "
    ]


def draw(grid: tuple[int, int], placements: Iterable[Placement]) -> Float[Array, "ny nx"]:
    """Draw glyphs on an image, as the sum of their profiles times their intensities.

    Args:
        grid: (ny, nx) of the image.
        placements: the glyphs.
    """
    drawn = jnp.zeros(grid, jnp.float32)
    for one in placements:
        drawn = drawn + one.intensity * glyph(one.glyph, grid, jnp.asarray(one.centre, jnp.float32), one.height)
    return drawn
