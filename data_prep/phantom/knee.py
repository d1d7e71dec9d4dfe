"""A knee in a sagittal slice with proton density weighting: anterior to the left, proximal at the top.

Positions are (y, x) [mm].  Slices through the notch show the cruciate ligaments.  Other slices show a condyle, the
menisci and perhaps the fibula.
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
    inside,
    ridges,
    smooth_minimum,
    smooth_noise,
    stroke,
)

FIELD_OF_VIEW = (160.0, 128.0)

_CORTEX, _FLUID, _CARTILAGE, _MENISCUS, _TENDON, _SKIN = 0.1, 0.8, 0.6, 0.14, 0.1, 0.42


class _Texture(NamedTuple):
    """Fields of noise shared by the tissues, and thin lines in [0, 1]."""

    fine: Array
    fibre: Array
    coarse: Array
    septa: Array
    trabeculae: Array


class _Bones(NamedTuple):
    """Distances from the bones' surfaces [mm], and the height of the joint line [mm]."""

    femur: Array
    tibia: Array
    patella: Array
    joint: float


def draw(rng: np.random.RandomState, grid: Grid) -> Drawing:
    """Draw one random knee, which is healthy.

    Args:
        rng: random numbers.
        grid: the pixels.

    Returns:
        The knee, without findings.
    """
    size = rng.uniform(0.88, 1.03)
    y, x = (grid.y - rng.uniform(-4, 4)) / size, (grid.x - rng.uniform(-2, 2)) / size
    texture = _Texture(
        fine=smooth_noise(rng, grid, 0.9),
        fibre=smooth_noise(rng, grid, (7.0, 1.3)),
        coarse=smooth_noise(rng, grid, 8.0),
        septa=ridges(smooth_noise(rng, grid, (5.0, 7.0)), 0.12),
        trabeculae=ridges(smooth_noise(rng, grid, (2.6, 1.3)), 0.35),
    )
    through_notch = rng.uniform() < 0.45
    joint = rng.uniform(12, 22)
    # Thigh and leg lean independently: the knee is bent a little.
    thigh, leg = rng.uniform(-0.13, 0.1), rng.uniform(-0.1, 0.13)
    bent = x - curve(y, (-90, -40, joint - 5, joint + 30, 90), (thigh * 100, thigh * 50, 0, leg * 28, leg * 80))
    canvas = blank(Grid(y, bent, grid.step / size))
    bones = _bones(rng, canvas.grid, joint, through_notch)
    skin = _soft_tissue(rng, canvas, texture, joint)
    _joint(rng, canvas, texture, bones, through_notch)
    _marrow(rng, canvas, texture, bones)
    _tendons(rng, canvas, joint)
    if not through_notch and rng.uniform() < 0.5:
        _fibula(rng, canvas, texture, joint)
    # The array sees no farther up and down the leg.
    return Drawing(canvas.signal * inside(skin, 0.8) * inside(np.abs(grid.y) - 71.0, 14.0))


def _bones(rng: np.random.RandomState, grid: Grid, joint: float, through_notch: bool) -> _Bones:
    y, x = grid.y, grid.x
    shaft = np.abs(x + 4 + rng.uniform(-2, 2))
    shaft = shaft - curve(y, (-80, -45, -20, 0), (14 + rng.uniform(-2, 2), 16, 20, 22))
    shaft = np.maximum(shaft, y - (joint - 25))
    if through_notch:
        back = ellipse(grid, (joint - 28, 8 + rng.uniform(-2, 2)), (16 + rng.uniform(-2, 1), 16))
    else:
        back = ellipse(grid, (joint - 23, 13 + rng.uniform(-3, 3)), (22, 21 + rng.uniform(-2, 2)))
    front = ellipse(grid, (joint - 24, -10), (22 + rng.uniform(-1, 2), 21 + rng.uniform(-3, 2)))
    femur = smooth_minimum(smooth_minimum(front, back, 10.0), shaft, 16.0)

    top = joint + 5.5 + rng.uniform(-0.02, 0.12) * x + 0.0022 * (x - 4) ** 2 * rng.uniform(-0.6, 1) - y
    knots = np.array((0, 8, 20, 38, 70)) + joint + 4
    width = curve(y, knots, (27 + rng.uniform(-2, 2), 27, 22, 16 + rng.uniform(-2, 2), 14))
    sides = np.abs(x - 2 + curve(y, knots, (0, 1, 3, 1, 0))) - width
    tibia = -smooth_minimum(-top, -sides, 7.0)

    centre = (joint - 33 + rng.uniform(-6, 5), -43.5 + rng.uniform(-1.5, 1.0))
    patella = ellipse(grid, centre, (19 + rng.uniform(-3, 3), 8.5 + rng.uniform(-1.5, 1)), rng.uniform(-0.15, 0.1), 2.4)
    return _Bones(femur, tibia, patella, joint)


def _soft_tissue(rng: np.random.RandomState, canvas: Canvas, texture: _Texture, joint: float) -> Array:
    """Paint skin, fat, fasciae, muscles and vessels; returns the distance from the skin's surface [mm]."""
    y, x = canvas.grid.y, canvas.grid.x
    knots = (-85, -55, joint - 34, joint + 5, joint + 25, 85)
    front = curve(y, knots, np.array((-52, -55, -57, -51, -47, -45)) + rng.uniform(-2, 1.5, 6))
    back = curve(y, (-85, -45, 0, 30, 60, 85), np.array((50, 48, 44, 47, 52, 52)) + rng.uniform(-3, 4, 6))
    fat_front = curve(y, knots, np.array((5, 4, 2, 3.5, 4, 5)) * rng.uniform(0.6, 1.8))
    fat_back = curve(y, (-85, 0, 85), np.array((6, 6, 5)) * rng.uniform(0.4, 1.6))
    skin = np.maximum(front - x, x - back)
    deep = np.maximum(front + fat_front + 1.8 - x, x - back + fat_back + 1.8)
    fat = rng.uniform(0.74, 0.84) * (1 + 0.04 * texture.fine + 0.05 * texture.coarse - 0.35 * texture.septa)
    canvas.paint(skin, _SKIN)
    canvas.paint(skin + 1.7, fat)
    canvas.paint(np.abs(deep) - 0.5, 0.3)

    muscle = rng.uniform(0.38, 0.46) * (1 + 0.06 * texture.fine + 0.1 * texture.fibre + 0.05 * texture.coarse)
    muscle += 0.12 * ridges(texture.fibre, 0.15) * inside(-texture.coarse, 1.0)
    low = joint + 8
    bellies: tuple[tuple[Point, Point, float], ...] = (
        ((-78, -30 + rng.uniform(-2, 2)), (34 + rng.uniform(-6, 8), 10), rng.uniform(-0.1, 0.05)),
        ((-74, 20 + rng.uniform(-3, 3)), (54 + rng.uniform(-12, 6), 9), rng.uniform(-0.12, 0.02)),
        ((-70, 38 + rng.uniform(-3, 3)), (62 + rng.uniform(-14, 8), 11), rng.uniform(-0.1, 0.05)),
        ((low + 38, 41 + rng.uniform(-3, 3)), (62 + rng.uniform(-8, 5), 13), rng.uniform(-0.08, 0.08)),
        ((low + 52, 24 + rng.uniform(-3, 3)), (46 + rng.uniform(-5, 8), 8), rng.uniform(-0.05, 0.1)),
        ((low + 60, -27), (38 + rng.uniform(-5, 5), 7), rng.uniform(-0.05, 0.05)),
    )
    for centre, radii, angle in bellies:
        patch = canvas.patch((centre[0] - radii[0] - 2, centre[1] - 20), (centre[0] + radii[0] + 2, centre[1] + 20))
        belly = np.maximum(ellipse(patch.grid, centre, radii, angle), deep[patch.where] + 1.5)
        patch.paint(belly - 0.7, 0.3)
        patch.paint(belly, muscle[patch.where])

    # The popliteal vessels: the fast blood of the artery is dark, the slow blood of the vein bright.
    spine = 32 + rng.uniform(-3, 2)
    for shift, width, value in ((0.0, 2.2, 0.06), (5.5, 2.6, 0.7)):
        points = [(y0, spine + shift + bow) for y0, bow in ((-90, -8), (-40, -2), (0, 3), (40, 0), (90, -8))]
        widths = [width * rng.uniform(-0.4, 1.2) for _ in points]  # negative if the vessel leaves the slice
        canvas.stroke(points, [w + 0.7 for w in widths], 0.22)
        canvas.stroke(points, widths, value)
    places = [(rng.uniform(-70, 70), rng.uniform(-50, 52)) for _ in range(40)]
    canvas.dots(rng, places[:22], (0.5, 1.1), 0.15)
    canvas.dots(rng, places[22:], (0.5, 1.0), 0.85)
    return skin


def _joint(rng: np.random.RandomState, canvas: Canvas, texture: _Texture, bones: _Bones, through_notch: bool) -> None:
    """Paint fluid, cartilage, menisci and, through the notch, the cruciate ligaments."""
    joint = bones.joint
    bursa = [(joint - 58, -27), (joint - 48, -31), (joint - 38, -34)]
    canvas.stroke(bursa, [0.4, rng.uniform(0.6, 2.4), 0.6], _FLUID)

    patch = canvas.patch((joint - 50, -48), (joint + 20, 48))
    y, x = patch.grid.y, patch.grid.x
    femur, tibia, fine = (field[patch.where] for field in (bones.femur, bones.tibia, texture.fine))
    fluid = ellipse(patch.grid, (joint + 1.5, 2), (5.0, 30), power=3.0)
    patch.paint(fluid - 1.0, 0.25)
    patch.paint(fluid, _FLUID * (1 + 0.03 * fine))
    cartilage = _CARTILAGE * (1 + 0.06 * fine)
    facing = np.maximum(joint - 48 - y, np.minimum(joint - 26 - y, x + 18))
    patch.paint(np.maximum(femur - rng.uniform(1.8, 2.8), facing), cartilage)
    patch.paint(np.maximum(tibia - rng.uniform(1.6, 2.6), y - joint - 9), cartilage)

    # Wedges between the cartilages, thin towards the middle of the joint and thick at the capsule.
    reach = rng.uniform(5, 8) if through_notch else rng.uniform(8, 13)
    height = np.abs(y - joint - 1.5)
    front = np.maximum(0.8 * height + x - (-27 + reach), -28 - x)
    rear = np.maximum(0.8 * height - x + (30 - reach), x - 32)
    wedge = np.maximum(1.8 - femur, 1.6 - tibia)
    patch.paint(np.maximum(wedge, np.minimum(front, rear)), _MENISCUS * (1 + 0.2 * fine))
    if through_notch:
        dy, dx = rng.uniform(-3, 3, 2)
        acl = [(joint - 24 + dy, 20 + dx), (joint - 11, 8), (joint + 3, -5)]
        pcl = [(joint - 16 + dy, 6), (joint - 15, 15 + dx), (joint - 7, 23 + dx), (joint + 9, 28)]
        patch.paint(stroke(patch.grid, acl, [2.2, 2.6, 3.2]), 0.22 + 0.2 * ridges(fine, 0.5))
        patch.paint(stroke(patch.grid, pcl, [2.6, 3.2, 3.0, 2.4]), _TENDON * (1 + 0.3 * fine))

    patch = canvas.patch((joint - 65, -60), (joint, -25))
    behind = np.maximum(bones.patella[patch.where] - 2.6, -44.5 - patch.grid.x)
    patch.paint(behind, _CARTILAGE * (1 + 0.06 * texture.fine[patch.where]))


def _marrow(rng: np.random.RandomState, canvas: Canvas, texture: _Texture, bones: _Bones) -> None:
    """Paint the bones: dark cortex, thick along the shafts, and fatty marrow with trabeculae and scars of growth."""
    y, x = canvas.grid.y, canvas.grid.x
    joint = bones.joint
    marrow = rng.uniform(0.68, 0.82) * (1 + 0.05 * texture.fine + 0.06 * texture.coarse - 0.18 * texture.trabeculae)
    wave = 1.6 * np.sin(0.13 * x + rng.uniform(0, 6)) + 0.7 * np.sin(0.37 * x + rng.uniform(0, 6))
    scars = (joint - 41 + 0.008 * x**2, joint + 21 + 0.004 * x**2)
    shafts = (1.6 * inside(y - joint + 45, 30.0), 1.4 * inside(joint + 36 - y, 30.0))
    for bone, scar, thick in zip((bones.femur, bones.tibia), scars, shafts, strict=True):
        canvas.paint(bone, _CORTEX)
        inner = bone + 0.9 + thick
        canvas.paint(inner, marrow)
        canvas.paint(np.maximum(np.abs(y - scar - wave) - 0.5, inner + 1.5), 0.4, 1.0)
    patch = canvas.patch((joint - 65, -60), (joint, -25))
    patch.paint(bones.patella[patch.where], _CORTEX)
    patch.paint(bones.patella[patch.where] + 1.1, marrow[patch.where])
    canvas.dots(rng, [(rng.uniform(-50, 60), rng.uniform(-25, 30)) for _ in range(14)], (0.4, 0.9), 0.3)


def _tendons(rng: np.random.RandomState, canvas: Canvas, joint: float) -> None:
    """Paint quadriceps and patellar tendon, dark bands in front of the bones."""
    thick = rng.uniform(0.8, 1.25)
    quadriceps = [(-95, -40), (-65, -42), (joint - 50, -46)]
    patellar = [(joint - 19, -48), (joint - 2, -42), (joint + 16, -35), (joint + 28, -27)]
    canvas.stroke(quadriceps, [1.8 * thick, 2.2 * thick, 3.0 * thick], _TENDON)
    canvas.stroke(patellar, [2.6 * thick, 2.0 * thick, 2.2 * thick, 1.8 * thick], _TENDON)


def _fibula(rng: np.random.RandomState, canvas: Canvas, texture: _Texture, joint: float) -> None:
    """Paint head and shaft of the fibula, behind the tibia of a lateral slice."""
    patch = canvas.patch((joint + 5, 10), (90, 56))
    y, x = patch.grid.y, patch.grid.x
    top, centre = joint + rng.uniform(13, 20), rng.uniform(30, 34)
    width = curve(y, (top, top + 8, top + 20, top + 40), (9, 9, 6, 4.5))
    bone = -smooth_minimum(-(top - y), width - np.abs(x - centre - 0.04 * (y - top)), 6.0)
    patch.paint(bone, _CORTEX)
    patch.paint(bone + 1.3, 0.74 * (1 + 0.05 * texture.fine - 0.18 * texture.trabeculae)[patch.where])
