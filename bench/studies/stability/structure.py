"""Study 2: text and symbols in the object, of which a method that depends on its training data shows little."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.studies.stability.one_image import OneImage, Rows, Work
from data_prep.cases import InputError
from jaxcs.features import glyphs, insert, reading
from jaxcs.features.glyphs import Placement
from jaxcs.features.insert import Background, Insertion
from jaxcs.features.scores import contrast_kept, feature_error
from jaxcs.fourier import image_crop, image_slice
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.types import SliceData

FULLY_SAMPLED = "fully sampled"
# The published text and the suits of cards, in lines.
_LINES = ("CAN U", "SEE IT", "".join(glyphs.SUITS.values()))
# Heights that are tried until the fully sampled image can be read [pixels], and the share of glyphs for that.
_HEIGHTS, _READABLE = (9.0, 12.0, 15.0, 18.0), 0.95
# Distance of the lines, and width of the widest line, in heights of a glyph.
_APART, _WIDE = 11 / 9, 6.0
# Added, 0.3 of the slice's largest value; the shape of the insertion is not used.
_INSERTION = Insertion(how="add", contrast=0.3)


_background = jax.jit(insert.background, static_argnums=2)


class Text(NamedTuple):
    """The glyphs that were inserted.

    Attributes:
        placements: the glyphs, with their centres in the whole image.
        profile: (ny, nx) profile.
        kspace: (coil, ny, nx) k-space of the slice with the glyphs.
        change: (ty, tx) change of the truth.
        truth: (ty, tx) truth with the glyphs.
    """

    placements: list[Placement]
    profile: Array
    kspace: Array
    change: Array
    truth: Array


def shown(one: OneImage) -> Work:
    """Insert the glyphs, and count how many are read in the change of each method's image and in the image alone.

    Raises:
        InputError: the slice is too small for glyphs.
    """
    data = one.prepared.data
    shape = (data.target.shape[0], data.target.shape[1])
    sinogram = not jnp.iscomplexobj(data.kspace)
    text = _readable(one, None if sinogram else _background(data.kspace, data.maps, shape))
    inside = [_moved(placed, data.maps.shape[1:], shape) for placed in text.placements]
    weight = image_crop(text.profile, shape)
    images = {FULLY_SAMPLED: (text.truth, text.change)}
    for member in one.cast.members:
        label = member.label
        image = one.functions[label].image(one.staged[label], text.kspace, one.key)
        images[label] = image, image - one.clean[label]
    roles = {member.label: member.role for member in one.cast.members}
    height = inside[0].height
    rows: Rows = []
    for label, (image, change) in images.items():
        alone = reading.without_background(image, height)
        rows.append(
            {
                "method": label,
                "role": roles.get(label, FULLY_SAMPLED),
                "height": height,
                "glyphs": len(inside),
                "read": round(len(inside) * reading.read_rate(change, inside)),
                "read_alone": round(len(inside) * reading.read_rate(alone, inside)),
                "kept": float(contrast_kept(change, text.change, weight)),
                "error": float(feature_error(change, text.change, weight)),
            }
        )
    return rows, {f"{label}|text": image for label, (image, _) in images.items()}


def _readable(one: OneImage, back: Background | None) -> Text:
    """The smallest glyphs that are read in the fully sampled image, or the largest that fit."""
    ny, nx = one.prepared.data.target.shape
    most = math.floor(min(ny / (len(_LINES) * _APART), nx / _WIDE))
    if most < 3:
        raise InputError(f"{one.prepared.name}: {ny} x {nx} pixels are too few for symbols; give larger images")
    fitting = [height for height in _HEIGHTS if height <= most] or [float(most)]
    for height in fitting:
        found = _inserted(one, back, height)
        inside = [_moved(placed, found.profile.shape, (ny, nx)) for placed in found.placements]
        if reading.read_rate(found.change, inside) >= _READABLE:
            break
    return found


def _inserted(one: OneImage, back: Background | None, height: float) -> Text:
    """Put glyphs of this height [pixels] into the slice, whose coil images are `back` unless it is a sinogram."""
    data = one.prepared.data
    row, column = _middle(one, height)
    placements = [
        placed
        for index, line in enumerate(_LINES)
        for placed in glyphs.place(line, (row + (index - (len(_LINES) - 1) / 2) * _APART * height, column), height)
    ]
    profile = glyphs.draw((data.maps.shape[1], data.maps.shape[2]), placements)
    kspace, truth = _projected(data, profile) if back is None else _with(back, data.target, profile)
    return Text(placements, profile, kspace, truth - data.target, truth)


@jax.jit
def _with(back: Background, target: Array, profile: Array) -> tuple[Array, Array]:
    """The k-space and the truth with this profile."""
    kspace = insert.inserted(back, insert.coil_images(_INSERTION, back, profile))
    return kspace, insert.truth_with(back, target, kspace)


@jax.jit
def _projected(data: SliceData, profile: Array) -> tuple[Array, Array]:
    """The sinogram and the truth with this profile."""
    added = _INSERTION.contrast * jnp.max(data.target) * profile
    return data.kspace + ParallelBeam(data.maps, data.mask).forward(added), data.target + added


def _middle(one: OneImage, height: float) -> tuple[float, float]:
    """The middle of the glyphs in the whole image, so that coil maps and object cover as much of them as they can."""
    data = one.prepared.data
    whole, part = data.maps.shape[1:], data.target.shape
    first = [image_slice(size, width).start for size, width in zip(whole, part, strict=True)]
    energy = np.sum(np.abs(np.asarray(data.maps)) ** 2, axis=0)[
        first[0] : first[0] + part[0], first[1] : first[1] + part[1]
    ]
    target = np.asarray(data.target)
    covered = (energy > 0.5) + target / target.max()
    rows, columns = math.ceil(len(_LINES) * _APART * height), math.ceil(_WIDE * height)
    rows, columns = min(rows, part[0]), min(columns, part[1])
    total = np.pad(np.cumsum(np.cumsum(covered, 0), 1), ((1, 0), (1, 0)))
    sums = total[rows:, columns:] - total[:-rows, columns:] - total[rows:, :-columns] + total[:-rows, :-columns]
    row, column = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return first[0] + float(row) + (rows - 1) / 2, first[1] + float(column) + (columns - 1) / 2


def _moved(placed: Placement, whole: tuple[int, ...], part: tuple[int, int]) -> Placement:
    """The same glyph in the target, which is the central part of the image."""
    first = [image_slice(size, width).start for size, width in zip(whole, part, strict=True)]
    return placed._replace(centre=(placed.centre[0] - first[0], placed.centre[1] - first[1]))
