"""A thorax in an axial slice, as X-ray CT shows it: front at the top, attenuation in units of water's.

Positions are (y, x) in units of 2 mm, so that a thorax fits on the lattices of `smooth_noise`.
"""

from __future__ import annotations

import numpy as np

from data_prep.phantom.pieces import Array, Canvas, Grid, blank, ellipse, inside, ridges, smooth_noise

FIELD_OF_VIEW = (186.0, 186.0)

_LUNG, _FAT, _MUSCLE, _BLOOD, _MARROW, _BONE = 0.25, 0.92, 1.05, 1.08, 1.25, 1.75


def draw(rng: np.random.RandomState, grid: Grid) -> Array:
    """Attenuation (ny, nx) of one random thorax; air is 0."""
    y, x = grid.y - rng.uniform(-3, 3), grid.x - rng.uniform(-3, 3)
    size = rng.uniform(0.9, 1.02)
    canvas = blank(Grid(y / size, x / size, grid.step / size))
    fine, coarse = smooth_noise(rng, grid, 1.2), smooth_noise(rng, grid, 14.0)
    cage = _wall(rng, canvas, fine, coarse)
    _lungs(rng, canvas, cage, fine, coarse)
    _mediastinum(rng, canvas, fine)
    _bones(rng, canvas, cage)
    return canvas.signal


def _wall(rng: np.random.RandomState, canvas: Canvas, fine: Array, coarse: Array) -> Array:
    """Skin, fat and muscles; returns the distance from the inner surface of the rib cage."""
    skin = ellipse(canvas.grid, (0, 0), (57 + rng.uniform(-4, 2), 83 + rng.uniform(-5, 2)), power=2.4) + 0.8 * coarse
    fat = rng.uniform(2.5, 7.0) * (1 + 0.2 * coarse)
    canvas.paint(skin, 1.02)
    canvas.paint(skin + 1.2, _FAT * (1 + 0.01 * fine))
    muscle = _MUSCLE * (1 + 0.012 * fine) - 0.1 * ridges(coarse, 0.08)
    canvas.paint(skin + 1.2 + fat, muscle)
    cage = ellipse(canvas.grid, (0, 0), (43 + rng.uniform(-2, 2), 66 + rng.uniform(-3, 2)), power=2.3) + 0.6 * coarse
    canvas.paint(np.maximum(cage, skin + 5), _FAT * (1 + 0.01 * fine))
    return cage


def _lungs(rng: np.random.RandomState, canvas: Canvas, cage: Array, fine: Array, coarse: Array) -> None:
    """Both lungs with their vessels, perhaps with nodules."""
    tissue = _LUNG * (1 + rng.uniform(-0.15, 0.15) + 0.06 * fine + 0.1 * coarse)
    for side in (-1, 1):
        centre, radii = (1 + rng.uniform(-2, 2), side * rng.uniform(35, 37)), (40.0, 27 + rng.uniform(-2, 2))
        lung = np.maximum(ellipse(canvas.grid, centre, radii, 0.12 * side, 2.3), cage + 2)
        canvas.paint(lung, tissue)
        turns, reach = rng.uniform(-2.2, 2.2, 45), rng.uniform(0.1, 0.85, 45)
        # Vessels spread from the hilum and become thinner.
        for turn, far in zip(turns, reach, strict=True):
            place = (centre[0] + 34 * far * np.sin(turn), centre[1] + side * 21 * (far * np.cos(turn) - 0.25))
            canvas.dots(rng, [place], (0.3, 0.4 + 1.6 * (1 - far)), 0.95)
        for _ in range(rng.randint(0, 3)):
            place = (centre[0] + rng.uniform(-22, 22), centre[1] + rng.uniform(-12, 12))
            canvas.dots(rng, [place], (0.8, 3.5), 1.0)


def _mediastinum(rng: np.random.RandomState, canvas: Canvas, fine: Array) -> None:
    """Heart with its chambers, great vessels, bronchi and oesophagus; blood may be enhanced by contrast agent."""
    blood = _BLOOD + rng.choice((0.0, rng.uniform(0.05, 0.25)))
    heart = ellipse(canvas.grid, (-10 + rng.uniform(-3, 3), 9 + rng.uniform(-3, 3)), (22, 27), 0.35, 2.2)
    canvas.paint(heart - 1.2, _FAT)
    canvas.paint(heart, _MUSCLE * (1 + 0.01 * fine))
    for centre, radii in (((-15, -3), (9, 9)), ((-6, 18), (9, 10)), ((3, 6), (6, 9))):
        moved = (centre[0] + rng.uniform(-2, 2), centre[1] + rng.uniform(-2, 2))
        canvas.paint(ellipse(canvas.grid, moved, radii, rng.uniform(-0.4, 0.4), 2.1), blood)
    canvas.dots(rng, [(20 + rng.uniform(-2, 2), 10 + rng.uniform(-2, 2))], (5.5, 7.0), blood)  # descending aorta
    canvas.dots(rng, [(14, 2.0)], (2.0, 3.0), 1.02)  # oesophagus
    canvas.dots(rng, [(12, -9), (12, 9)], (2.2, 3.4), 0.0)  # main bronchi


def _bones(rng: np.random.RandomState, canvas: Canvas, cage: Array) -> None:
    """Ribs cut obliquely, sternum, a vertebra, and the shoulder blades."""
    angle = np.arctan2(canvas.grid.x, -canvas.grid.y)
    cuts = np.sin(rng.randint(6, 9) * np.abs(angle) + rng.uniform(0, 6)) - rng.uniform(0.1, 0.4)
    # Distance along the wall from a rib's end; the ribs are some 2.4 units thick.
    rib = np.maximum(np.abs(cage - 3.2) - 2.4, -8 * cuts)
    canvas.paint(rib, _BONE)
    canvas.paint(rib + 1.1, _MARROW)
    shapes = [
        ((-47, 0), (3.5, 11), 2.6),  # sternum
        ((33, 0), (10.5, 13.5), 2.4),  # vertebral body
        ((47, 0), (5.5, 7.5), 2.0),  # arch
    ]
    for centre, radii, power in shapes:
        bone = ellipse(canvas.grid, (centre[0] + rng.uniform(-1, 1), centre[1]), radii, power=power)
        canvas.paint(bone, _BONE)
        canvas.paint(bone + 1.2, _MARROW + 0.1 * inside(bone + 4, 3.0))
    canvas.dots(rng, [(45, 0)], (3.2, 4.2), 1.03)  # spinal canal
    for side in (-1, 1):
        canvas.stroke([(38, 9 * side), (42, 17 * side)], [3.0, 2.0], _BONE)
        canvas.stroke([(34, 56 * side), (41, 42 * side), (45, 30 * side)], [1.8, 1.2, 1.6], 1.5)
