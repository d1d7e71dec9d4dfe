"""A brain in an axial slice: front at the top, T1, T2 or FLAIR weighting.

Positions are (y, x) [mm].  The cortex is folded by construction.  Sulci are the zero crossings of a warped wave, and
the cortex is the tissue within 3 mm of a sulcus or of the surface.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.phantom.pieces import (
    Array,
    Canvas,
    Drawing,
    Grid,
    Point,
    blank,
    curve,
    ellipse,
    ridges,
    smooth_noise,
    stroke,
)

FIELD_OF_VIEW = (220.0, 176.0)


_GANGLIA, _VENTRICLES, _ABOVE = range(3)  # height of the slice


class _Tissues(NamedTuple):
    """Signal of each tissue."""

    skin: float
    fat: float
    bone: float
    diploe: float
    fluid: float
    grey: float
    deep: float
    white: float
    lesion: float
    vessel: float


_WEIGHTINGS = (
    _Tissues(0.5, 0.95, 0.06, 0.5, 0.2, 0.56, 0.62, 0.8, 0.5, 0.95),  # T1
    _Tissues(0.45, 0.72, 0.05, 0.4, 1.0, 0.74, 0.64, 0.55, 0.95, 0.08),  # T2
    _Tissues(0.5, 0.7, 0.05, 0.4, 0.14, 0.74, 0.7, 0.6, 1.0, 0.1),  # FLAIR
)


def draw(rng: np.random.RandomState, grid: Grid) -> Drawing:
    """Draw one random head.

    Args:
        rng: random numbers.
        grid: the pixels.

    Returns:
        The head; its findings are the lesions of the white matter.
    """
    base = _WEIGHTINGS[rng.choice(3, p=(0.3, 0.5, 0.2))]
    tissues = _Tissues(*(value * rng.uniform(0.94, 1.06) for value in base))
    level = int(rng.choice(3, p=(0.5, 0.3, 0.2)))
    y, x = grid.y - rng.uniform(-3, 3), grid.x - rng.uniform(-3, 3)
    y, x = y / rng.uniform(0.93, 1.04), x / rng.uniform(0.93, 1.04)
    # The hemispheres are not mirror images: the midline wanders and leans.
    lean = rng.uniform(-0.06, 0.06)
    canvas = blank(Grid(y, x - lean * y - curve(y, (-90, -45, 0, 45, 90), rng.uniform(-1.5, 1.5, 5)), grid.step))
    fine = smooth_noise(rng, grid, 1.4)
    texture = 1 + 0.045 * fine + 0.05 * smooth_noise(rng, grid, 12.0)
    surface = _skull(rng, canvas, grid, tissues, fine)
    _cortex(rng, canvas, grid, tissues, surface, level, texture)
    if level == _GANGLIA:
        _ganglia(rng, canvas, tissues)
    if level == _VENTRICLES:
        _ventricle_bodies(rng, canvas, tissues)
    return Drawing(canvas.signal, _details(rng, canvas, tissues))


def _skull(rng: np.random.RandomState, canvas: Canvas, grid: Grid, tissues: _Tissues, fine: Array) -> Array:
    """Paint scalp and skull; returns the distance from the inner surface of the skull [mm]."""
    shape = (96 + rng.uniform(-4, 2), 75 + rng.uniform(-4, 2))
    head = ellipse(canvas.grid, (0, 0), shape) + 1.0 * smooth_noise(rng, grid, 35.0)
    wavy = smooth_noise(rng, grid, 22.0)
    scalp = rng.uniform(2.0, 5.0) * (1 + 0.25 * wavy)
    canvas.paint(head, tissues.skin)
    canvas.paint(head + 1.6, tissues.fat * (1 + 0.06 * fine - 0.4 * ridges(smooth_noise(rng, grid, 4.0), 0.12)))
    bone = head + 1.8 + scalp
    canvas.paint(bone, tissues.bone)
    diploe = np.maximum(rng.uniform(1.5, 3.0) * (1 + 0.5 * wavy), 0.2)
    canvas.paint(np.abs(bone + 1.8 + 0.5 * diploe) - 0.5 * diploe, tissues.diploe * (1 + 0.15 * fine), 1.2)
    return bone + diploe + 3.4


def _cortex(
    rng: np.random.RandomState,
    canvas: Canvas,
    grid: Grid,
    tissues: _Tissues,
    surface: Array,
    level: int,
    texture: Array,
) -> None:
    """Paint fluid, folded cortex and white matter."""
    y, x = canvas.grid.y, canvas.grid.x
    # The hemispheres are apart in front and behind.  Between, callosum and thalami bridge the cleft.
    bridge = (rng.uniform(30, 36), rng.uniform(38, 44), 0.0)[level]
    midline = np.hypot(x, np.maximum(bridge - np.abs(y), 0.0))
    brain = surface + rng.uniform(0.5, 1.6) + 0.5 * smooth_noise(rng, grid, 9.0)

    # Across the outer surface the wave runs along the skull, across the inner surface along the cleft.
    inner = np.clip(1.3 - np.abs(x) / 22, 0.0, 1.0)
    around = np.sin(rng.randint(10, 14) * np.arctan2(x, -0.8 * y) + rng.uniform(0, 6))
    along = np.sin(rng.uniform(0.22, 0.3) * y + np.where(x > 0, 1.0, 0.0) * rng.uniform(1, 5))
    wave = around + inner * (along - around) + 1.0 * smooth_noise(rng, grid, 5.8) + 0.3 * smooth_noise(rng, grid, 3.8)
    slope_y, slope_x = np.gradient(wave, grid.step)
    fold = np.abs(wave) / np.sqrt(slope_y**2 + slope_x**2 + 0.05**2)
    depth = np.minimum(-brain, midline + 4.0)
    bottom = rng.uniform(17, 22) + 5 * smooth_noise(rng, grid, 14.0)
    sulcus = np.hypot(fold, np.maximum(depth - bottom, 0.0))
    width = rng.uniform(0.4, 0.9) * (1 + 0.35 * smooth_noise(rng, grid, 8.0)) * np.clip(1.4 - 0.03 * depth, 0.3, 1.4)
    fluid = np.minimum(sulcus - width, midline - rng.uniform(0.6, 1.1))
    if level == _GANGLIA:
        for sign in (-1, 1):
            fissure = [(-14, 66), (-10, 53), (-4, 43), (10, 40), (20, 44)]
            points = [(a + rng.uniform(-2, 2), sign * (b + rng.uniform(-2, 2))) for a, b in fissure]
            fluid = np.minimum(fluid, stroke(canvas.grid, points, [2.4, 1.6, 1.1, 1.0, 0.6]))
    cortex = rng.uniform(2.4, 3.2) + 0.3 * smooth_noise(rng, grid, 10.0)
    canvas.paint(surface, tissues.fluid)
    canvas.paint(brain, tissues.grey * texture)
    canvas.paint(cortex - np.minimum(fluid, -brain), tissues.white * texture, 1.4)
    canvas.paint(np.maximum(fluid, brain), tissues.fluid)


def _ganglia(rng: np.random.RandomState, canvas: Canvas, tissues: _Tissues) -> None:
    """Paint frontal and occipital horns, third ventricle, caudate, lentiform nucleus and thalamus."""
    wide = rng.uniform(0.7, 1.5)
    grey = tissues.deep
    for sign in (-1, 1):
        jitter = rng.uniform(-1.5, 1.5, 8)
        nuclei: tuple[tuple[Point, Point, float, float], ...] = (
            ((-17 + jitter[0], 12 + 2 * wide), (10, 4.5), -0.3, grey),
            ((-2 + jitter[1], 27 + jitter[2]), (14, 5.5), -0.2, grey),
            ((0 + jitter[1], 21.5 + jitter[2]), (8, 3.5), -0.35, 0.5 * (grey + tissues.white)),
            ((10 + jitter[3], 9.5 + 0.5 * wide), (11, 7.5), -0.35, grey),
        )
        for (cy, cx), radii, angle, value in nuclei:
            patch = canvas.around([(cy, sign * cx)], max(radii) + 3)
            patch.paint(ellipse(patch.grid, (cy, sign * cx), radii, sign * angle, 2.2), value, 2.0)
        front = [(-9, 3.5), (-16, 5), (-24 + jitter[4], 9), (-29 + jitter[4], 12)]
        back = [(22, 19), (31, 23 + jitter[5]), (42 + jitter[6], 23), (50 + jitter[6], 20)]
        for points, widths in ((front, (1.0, 2.0, 2.2, 1.0)), (back, (1.6, 3.0, 2.2, 0.8))):
            canvas.stroke([(a, sign * b) for a, b in points], [wide * w for w in widths], tissues.fluid, 1.2)
        canvas.dots(rng, [(27 + jitter[7], sign * 21)], (1.0, 1.8), tissues.grey)  # choroid plexus
    canvas.stroke([(-4, 0), (6, 0), (18, 0)], [0.8, 1.1 * wide, 0.7], tissues.fluid)


def _ventricle_bodies(rng: np.random.RandomState, canvas: Canvas, tissues: _Tissues) -> None:
    """Paint the bodies of the lateral ventricles, curved along the callosum, and the caudate's body beside them."""
    wide = rng.uniform(0.7, 1.6)
    for sign in (-1, 1):
        jitter = rng.uniform(-2, 2, 4)
        body = [(-28 + jitter[0], 9), (-10, 5 + wide), (10, 7 + wide), (26, 15 + jitter[1]), (36 + jitter[2], 21)]
        beside = [(-24 + jitter[0], 13 + 2 * wide), (-5, 10 + 4 * wide), (14, 13 + 4 * wide)]
        canvas.stroke([(a, sign * b) for a, b in beside], [3.2, 3.0, 1.2], tissues.deep, 2.0)
        widths = [wide * w for w in (1.2, 3.2, 3.4, 3.8, 1.2)]
        canvas.stroke([(a, sign * b) for a, b in body], widths, tissues.fluid, 1.2)


def _details(rng: np.random.RandomState, canvas: Canvas, tissues: _Tissues) -> tuple[tuple[int, int, int, int], ...]:
    """Paint lesions of the white matter, perivascular spaces, vessels, and the sagittal sinus; returns the lesions."""
    sides = [1 if rng.uniform() < 0.5 else -1 for _ in range(40)]
    white = [(rng.uniform(-40, 40), side * rng.uniform(20, 38)) for side in sides]
    lesions = canvas.dots(rng, white[: rng.randint(0, 8)], (0.8, 3.0), tissues.lesion)
    canvas.dots(rng, white[8:22], (0.4, 0.7), tissues.fluid)
    turns = [side * rng.uniform(0.1, 3.0) for side in sides[22:]]
    canvas.dots(rng, [(72 * np.cos(turn), 54 * np.sin(turn)) for turn in turns], (0.5, 1.0), tissues.vessel)
    canvas.stroke([(-22, 2), (-34, 1), (-46, -1)], [0.8, 0.9, 0.6], tissues.vessel)
    canvas.dots(rng, [(79, 0.0), (-80, 0.0)], (2.0, 3.2), tissues.vessel)
    return tuple(lesions)
