"""Scans whose pose, contrast, texture, receiver, phase and noise are drawn at random, to train networks on.

A network that has seen one receiver and a few contrasts fails on others.  So each slice gets its own.  The ranges are
wide on purpose: they hold what scanners do, and more.  Anatomies are on a grid of 0.5 mm, and k-space is the centre of
their transform, with pixels of 1 mm.  The target has no noise, so that a network does not learn that of these scans.

The arithmetic is float64.  Random numbers come from RandomState, whose streams are frozen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float
from scipy import ndimage

from data_prep.coil_array import add_noise
from data_prep.contrast import TISSUES, drawn_sequence, varied_signals
from data_prep.fourier import root_sum_of_squares
from data_prep.phantom.pieces import Grid, make_grid, smooth_noise
from data_prep.phantom.scan import noise_free
from jaxcs.coils.simulate import loop_field

# The labels' pixels and the side of the field of view, in pixels of the labels and of the image.
STEP, FINE, SIDE = 0.5, 480, 240
# Numbers of coils; a volume has one of them.
COILS = (4, 8)
# Distance of the loops from the object [mm].
_GAP = (15.0, 80.0)
# The receiver's fields are smooth, and are computed on every fourth pixel.
_EVERY = 4
_TURN, _SHIFT, _SCALE = 12.0, 8.0, (0.85, 1.08)
_SPREAD = 0.15
# Share of the scans whose tissues have any signal at all, and of those without the signal of fat.
_ANY_CONTRAST, _NO_FAT = 0.3, 0.3
_TEXTURES = (1.2, 2.5, 5.0, 12.0, 45.0)  # widths of the details [mm]
_SNR = (12.0, 80.0)

Image = Float[np.ndarray, "ny nx"]
Shares = Mapping[str, Image]


class Drawn(NamedTuple):
    """A drawn scan.

    Attributes:
        kspace: (coil, 240, 240) complex64 k-space with noise.
        target: (240, 240) float32 root sum of squares of the coil images without noise.
    """

    kspace: Complex[np.ndarray, "coil ny nx"]
    target: Image


def scan(rng: np.random.RandomState, anatomy: Shares | Image, coils: int) -> Drawn:
    """Scan a slice of an anatomy with everything else drawn.

    Args:
        rng: random numbers.
        anatomy: the share of each tissue in each pixel, or an image whose contrast stays, 480 x 480 pixels of 0.5 mm.
        coils: number of coils.  In half of the scans they are virtual coils, to which more loops are compressed.

    Returns:
        The scan.
    """
    grid = make_grid((FINE, FINE), STEP)
    image = _posed(rng, _contrasted(rng, anatomy)) * _texture(rng, grid)
    loops = coils if rng.uniform() < 0.5 else rng.randint(coils, 2 * coils) + 1
    maps = np.fft.ifftshift(receiver(rng, image, loops), axes=(-2, -1))
    clean, shared = noise_free(rng, grid, image / image.max(), maps, (SIDE, SIDE))
    kspace, covariance = add_noise(clean, shared, rng, float(np.exp(rng.uniform(*np.log(_SNR)))))
    if loops != coils:
        virtual = _virtual_coils(kspace, covariance, coils)
        kspace, clean = (np.tensordot(virtual, x, 1) for x in (kspace, clean))
    return Drawn(kspace.astype(np.complex64), root_sum_of_squares(clean).astype(np.float32))


def receiver(rng: np.random.RandomState, image: Image, loops: int) -> Complex[np.ndarray, "coil ny nx"]:
    """Draw loops on an ellipse around an object, each a little out of place, with gain and phase of its own.

    Args:
        rng: random numbers.
        image: (480, 480) signal on pixels of 0.5 mm, 0 outside the object.
        loops: number of loops.

    Returns:
        (coil, 480, 480) complex sensitivities.  Their root sum of squares is 1 on average over the object.
    """
    seen = image[::_EVERY, ::_EVERY]
    support = seen > 0.05 * seen.max()
    low, high = (np.array([end(axis) for axis in np.nonzero(support)]) for end in (np.min, np.max))
    step = STEP * _EVERY
    places = np.arange(FINE // _EVERY) * step
    y, x = (places - middle for middle in (low + high) / 2 * step)
    axes = (high - low) / 2 * step + rng.uniform(*_GAP)
    angles = 2 * np.pi * (np.arange(loops) + rng.uniform() + rng.uniform(-0.15, 0.15, loops)) / loops
    size = rng.uniform(0.8, 1.3) * np.pi / max(loops, 6)
    maps = []
    for angle in angles:
        distance = 1 / np.hypot(np.sin(angle) / axes[0], np.cos(angle) / axes[1])
        field = size * distance * loop_field(y[:, None], x, angle, distance, size * distance)
        # At the wires the field is infinite, and no tissue is.
        largest = 1.5 * np.abs(field[support]).max()
        field *= largest / np.maximum(np.abs(field), largest)
        maps.append(rng.uniform(0.7, 1.3) * np.exp(2j * np.pi * rng.uniform()) * field)
    norm = np.sqrt(np.mean(np.sum(np.abs(np.stack(maps)[:, support]) ** 2, axis=0)))
    return np.stack([_refined(field / norm) for field in maps])


def _refined(field: np.ndarray) -> np.ndarray:
    """The field on the fine pixels; pixel i of the coarse grid lies at pixel 4 i of the fine grid."""
    at = np.arange(FINE) / _EVERY
    places = np.meshgrid(at, at, indexing="ij")
    real, imaginary = (
        ndimage.map_coordinates(part, places, order=1, mode="nearest") for part in (field.real, field.imag)
    )
    return np.asarray(real + 1j * imaginary)


def _contrasted(rng: np.random.RandomState, anatomy: Shares | Image) -> Image:
    """The anatomy in a drawn contrast."""
    if isinstance(anatomy, np.ndarray):
        return anatomy
    if rng.uniform() < _ANY_CONTRAST:
        values = {name: 0.0 if tissue.density == 0 else rng.uniform(0.05, 1) for name, tissue in TISSUES.items()}
    else:
        values = varied_signals(rng, drawn_sequence(rng), _SPREAD)
    if rng.uniform() < _NO_FAT:
        values["fat"] *= 0.15
    return np.asarray(sum(values[name] * share for name, share in anatomy.items()))


def _posed(rng: np.random.RandomState, image: Image) -> Image:
    """The image turned, scaled, moved and mirrored."""
    turn, scale = np.deg2rad(rng.uniform(-_TURN, _TURN)), rng.uniform(*_SCALE)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) / scale
    if rng.uniform() < 0.5:
        matrix[:, 1] *= -1
    middle = np.full(2, FINE // 2)
    offset = middle - matrix @ (middle + rng.uniform(-_SHIFT, _SHIFT, 2) / STEP)
    return np.asarray(ndimage.affine_transform(image, matrix, offset, order=1))


def _texture(rng: np.random.RandomState, grid: Grid) -> Image:
    """Signal that varies within a tissue, at all scales."""
    total = np.ones((FINE, FINE))
    for width in _TEXTURES:
        total += rng.uniform(0, 0.05) * smooth_noise(rng, grid, width)
    return np.maximum(total, 0.1)


def _virtual_coils(kspace: np.ndarray, covariance: np.ndarray, coils: int) -> np.ndarray:
    """The (coils, coil) matrix that whitens the coils and takes their strongest components, as scanners do."""
    level = np.trace(covariance).real / len(covariance)
    whiten = np.linalg.inv(np.linalg.cholesky(covariance / level))
    white = whiten @ kspace.reshape(len(kspace), -1)
    _, vectors = np.linalg.eigh(white @ white.conj().T)
    return np.asarray(vectors[:, ::-1][:, :coils].conj().T @ whiten)
