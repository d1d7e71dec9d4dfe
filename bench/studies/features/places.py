"""Places for features: the places of a slice that are inside the object."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bench.plan.errors import InputFileError
from bench.slices.prepare import Prepared
from bench.studies.features.config import FeatureConfig
from data_prep.names import checksum
from jaxcs.fourier import image_slice

# Share of a feature's pixels that coil maps must cover [-].
_INSIDE = 0.99


class Place(NamedTuple):
    """The place of a feature in the target.

    Attributes:
        row: first row.
        column: first column.
        size: size of the feature [pixels].
    """

    row: int
    column: int
    size: float

    def centre(self, matrix: tuple[int, ...], target: tuple[int, ...]) -> tuple[float, float]:
        """Return (row, column) of the feature's centre in the whole image; the target is its central part."""
        first = [image_slice(whole, part).start for whole, part in zip(matrix, target, strict=True)]
        half = (self.size - 1) / 2
        return self.row + first[0] + half, self.column + first[1] + half


def places(config: FeatureConfig, prepared: Prepared) -> list[Place]:
    """Choose the places of one slice, in order; they are the same for every method.

    Raises:
        InputFileError: the object has no room for a feature.
    """
    if config.study == "sizes":
        seed = [config.base.seed, checksum(prepared.name)]
        return [
            place
            for index, size in enumerate(config.sizes)
            for place in _drawn(config, prepared, size, np.random.RandomState([*seed, index]))
        ]
    return grid(config, prepared, config.insertion.size, config.stride)


def grid(config: FeatureConfig, prepared: Prepared, size: float, stride: int) -> list[Place]:
    """Choose every `stride`-th row and column at which a feature of this size is inside target and object.

    Raises:
        InputFileError: the object has no room for a feature.
    """
    ny, nx = prepared.data.target.shape
    inside = _inside(config, prepared)
    side = int(np.ceil(size))
    # Sums over windows, as differences of sums from the corner.
    total = np.pad(np.cumsum(np.cumsum(inside, 0), 1), ((1, 0), (1, 0)))
    sums = total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]
    found = [
        Place(row, column, size)
        for row in range(0, ny - side + 1, stride)
        for column in range(0, nx - side + 1, stride)
        if sums[row, column] >= _INSIDE * side**2
    ]
    if not found:
        raise InputFileError(f"{prepared.name}: its object holds no feature of {size:g} pixels; make --size smaller")
    return found


def _inside(config: FeatureConfig, prepared: Prepared) -> np.ndarray:
    """The pixels of the target that a feature may cover: those that coil maps cover, or all if maps are not used."""
    shape = prepared.data.target.shape
    if config.insertion.how == "coils":
        return np.ones(shape)
    energy = np.sum(np.abs(np.asarray(prepared.data.maps)) ** 2, axis=0)
    rows, columns = (image_slice(whole, part) for whole, part in zip(energy.shape, shape, strict=True))
    return (energy[rows, columns] > 0.5).astype(float)


def _drawn(config: FeatureConfig, prepared: Prepared, size: float, random: np.random.RandomState) -> list[Place]:
    """Places drawn with replacement."""
    found = grid(config, prepared, size, 1)
    return [found[index] for index in random.randint(len(found), size=config.placements)]
