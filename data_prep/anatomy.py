"""Scans of segmented anatomies and of images, on a grid of 0.5 mm: usual contrasts, or everything drawn at random.

A pixel of several tissues has their mean signal.  Anatomy and coil maps are on the grid of the anatomy, and the k-space
of 1 mm pixels is the centre of their transform.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from data_prep import drawn_scan
from data_prep.coil_array import add_noise, shifted_sensitivities
from data_prep.contrast import SEQUENCES, varied_signals
from data_prep.drawn_scan import FINE, SIDE, STEP, Image, Shares
from data_prep.layout import Volume
from data_prep.phantom.pieces import make_grid, smooth_noise
from data_prep.phantom.scan import noise_free

# Slices are taken if their brain covers this share of the largest slice's.
_COVERED = 0.4
_SPREAD = 0.05


class Anatomy(NamedTuple):
    """A head.

    Attributes:
        name: first part of the name of its volumes.
        subject: the subject in words.
        number: number from which random numbers are made.
        covered: for each slice the number of pixels of brain; not all are 0.
        slice: index, random numbers -> the share of each tissue, or an image whose contrast stays.  Both have 480 x 480
            pixels of 0.5 mm, the front of the head at the first row.
    """

    name: str
    subject: str
    number: int
    covered: np.ndarray
    slice: Callable[[int, np.random.RandomState], Shares | Image]


def volumes(anatomy: Anatomy, contrasts: tuple[str, ...], slices: int) -> Iterator[Volume]:
    """Scan an anatomy in each contrast, see `scan`, or, if none is given, with everything drawn, see `drawn`."""
    if not contrasts:
        yield drawn(anatomy, slices)
    for contrast in contrasts:
        yield scan(anatomy, contrast, slices)


def scan(anatomy: Anatomy, contrast: str, slices: int) -> Volume:
    """Scan axial slices, evenly spaced over the brain, by eight coils.

    Args:
        anatomy: the head.
        contrast: name out of `SEQUENCES`; an image keeps its own.
        slices: number of slices.

    Returns:
        A volume of 240 x 240 pixels of 1 mm.
    """
    order = list(SEQUENCES).index(contrast)
    rng = np.random.RandomState([anatomy.number, order])
    values = varied_signals(rng, SEQUENCES[contrast], _SPREAD)
    kspace = [_slice(anatomy, index, values, order) for index in _chosen(anatomy, slices)]
    return Volume(
        name=f"{anatomy.name}-{contrast}",
        kspace=np.stack(kspace),
        crop=(SIDE, SIDE),
        acquisition=f"simulated {contrast}",
        patient=anatomy.subject,
        notes=(f"anatomy of {anatomy.subject}; contrast, phase, coils and noise are simulated",),
    )


def drawn(anatomy: Anatomy, slices: int) -> Volume:
    """Scan axial slices, each with a pose, contrast, receiver, phase and noise of its own; see `drawn_scan`.

    Arguments are the same as for `scan`.
    """
    chosen = _chosen(anatomy, slices, again=True)
    coils = drawn_scan.COILS[anatomy.number % len(drawn_scan.COILS)]
    scans = []
    for place, index in enumerate(chosen):
        rng = np.random.RandomState([anatomy.number, place, 3])
        scans.append(drawn_scan.scan(rng, anatomy.slice(index, rng), coils))
    return Volume(
        name=f"{anatomy.name}-drawn",
        kspace=np.stack([one.kspace for one in scans]),
        crop=(SIDE, SIDE),
        targets=np.stack([one.target for one in scans]),
        acquisition="drawn contrasts",
        patient=anatomy.subject,
        notes=(
            f"anatomy of {anatomy.subject}; contrast, phase, coils and noise of each slice are drawn; "
            "the target is without noise",
        ),
    )


def _chosen(anatomy: Anatomy, slices: int, again: bool = False) -> list[int]:
    """Slices with enough brain; `again` allows one slice several times."""
    covered = anatomy.covered
    usable = np.flatnonzero(covered >= _COVERED * covered.max())
    places = np.linspace(0, len(usable) - 1, slices).round().astype(int)
    return [int(usable[at]) for at in (places if again else np.unique(places))]


def _slice(anatomy: Anatomy, index: int, values: dict[str, float], order: int) -> np.ndarray:
    rng = np.random.RandomState([anatomy.number, order, index, 1])
    grid = make_grid((FINE, FINE), STEP)
    found = anatomy.slice(index, np.random.RandomState([anatomy.number, index, 2]))
    image = found if isinstance(found, np.ndarray) else np.asarray(sum(values[name] * found[name] for name in found))
    image = image * (1 + 0.03 * smooth_noise(rng, grid, 1.5) + 0.04 * smooth_noise(rng, grid, 12.0))
    maps = shifted_sensitivities((FINE, FINE), (FINE * STEP, FINE * STEP))
    clean, shared = noise_free(rng, grid, image, maps, (SIDE, SIDE))
    return add_noise(clean, shared, rng)[0].astype(np.complex64)
