"""Training examples: fully sampled cases, under-sampled anew each time; step s sees the same on every run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bench.harness.errors import InputFileError
from bench.harness.prepare import draw_mask
from bench.training.config import TrainConfig
from data_prep.cases import Case, InputError
from jaxcs import masks

# Cases kept in memory once read [bytes]; beyond that they are read again each time.
_CACHE_BYTES = 8e9


class Batch(NamedTuple):
    """Examples of one shape, arrays on the host or on devices; kspace is fully sampled, in units of data_range.

    Leading axes: (accumulated, batch) for a step, (1,) for validation.
    """

    kspace: Any
    mask: Any
    target: Any


class Examples:
    """Cases by index, read when they are first needed."""

    def __init__(self, readers: Mapping[str, Callable[[], Case]], shapes: list[tuple[int, int, int]]) -> None:
        self.names, self.readers = list(readers), list(readers.values())
        self.shapes = shapes
        self._cache: dict[int, Case] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.readers)

    def case(self, index: int) -> Case:
        """Raises InputFileError where it cannot be used."""
        if index in self._cache:
            return self._cache[index]
        try:
            case = self.readers[index]()
        except InputError as error:
            raise InputFileError(str(error)) from error
        if case.mask is not None:
            raise InputFileError(f"{case.name}: is already under-sampled; training needs fully sampled k-space")
        if self._bytes < _CACHE_BYTES:
            self._cache[index] = case
            self._bytes += case.kspace.nbytes + case.target.nbytes
        return case


def batches(examples: Examples, config: TrainConfig, first_step: int, own: range) -> Iterator[Batch]:
    """The batches of the steps from `first_step` on, without end, each made while the one before is computed on.

    own: which examples of each batch are made; all, but where several processes share them.
    """
    size = config.batch * config.accumulate
    with ThreadPoolExecutor(1) as executor:
        step = first_step
        waiting = executor.submit(_batch, examples, config, size, step, own)
        while True:
            batch = waiting.result()
            step += 1
            waiting = executor.submit(_batch, examples, config, size, step, own)
            yield batch


def _batch(examples: Examples, config: TrainConfig, size: int, step: int, own: range) -> Batch:
    per_epoch = sum(-(-len(members) // size) for members in _by_shape(examples).values())
    epoch, position = divmod(step, per_epoch)
    members = _epoch(examples, config.seed, epoch, size)[position]
    # An example's draws are those of its place in the whole batch, whoever makes it.
    slots = [slot for slot in range(size) if slot % config.batch in own]
    flat = _stack([_example(examples.case(members[slot]), config, (step, slot)) for slot in slots])
    return Batch(*(leaf.reshape(config.accumulate, len(own), *leaf.shape[1:]) for leaf in flat))


def _by_shape(examples: Examples) -> dict[tuple[int, int, int], list[int]]:
    groups: dict[tuple[int, int, int], list[int]] = {}
    for index, shape in enumerate(examples.shapes):
        groups.setdefault(shape, []).append(index)
    return groups


def _epoch(examples: Examples, seed: int, epoch: int, size: int) -> list[np.ndarray]:
    """All examples in random order, in batches of one shape; the last of a shape is filled up from its beginning."""
    rng = np.random.RandomState([seed, epoch])
    groups = [rng.permutation(members) for members in _by_shape(examples).values()]
    found = [
        np.resize(group[start:], size) if start + size > len(group) else group[start : start + size]
        for group in groups
        for start in range(0, len(group), size)
    ]
    return [found[index] for index in rng.permutation(len(found))]


def _example(case: Case, config: TrainConfig, draw: tuple[int, int]) -> Batch:
    rng = np.random.RandomState([config.seed, 1, *draw])
    kspace, target = case.kspace / case.data_range, case.target / case.data_range
    if 0 < config.rows < kspace.shape[-2] and kspace.shape[-2] == target.shape[0]:
        kspace, target = _some_rows(kspace, target, config.rows, rng)
    if rng.rand() < 0.5:
        # Mirrored about its central row, which the target's and the k-space's own symmetry share.
        kspace, target = _mirrored(kspace, target)
    return Batch(kspace, draw_mask(config, kspace.shape[-2:], case.padding, (config.seed, 2, *draw)), target)


def _some_rows(
    kspace: np.ndarray, target: np.ndarray, rows: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """A band of image rows: the readout is fully sampled, so that a band is a measurement of its own."""
    start = rng.randint(kspace.shape[-2] - rows + 1)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes=-2), axis=-2, norm="ortho"), axes=-2)
    band = np.fft.ifftshift(hybrid[..., start : start + rows, :], axes=-2)
    return np.fft.fftshift(np.fft.fft(band, axis=-2, norm="ortho"), axes=-2), target[start : start + rows]


def _mirrored(kspace: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows in reverse, about the centre n // 2 of both; what wraps around is the first row of an even axis."""

    def mirror(x: np.ndarray) -> np.ndarray:
        flipped = np.flip(x, -2)
        return flipped if x.shape[-2] % 2 else np.roll(flipped, 1, -2)

    return mirror(kspace), mirror(target)


def _stack(examples: list[Batch]) -> Batch:
    """Examples of one shape as one batch."""
    return Batch(
        np.stack([one.kspace for one in examples]).astype(np.complex64),
        np.stack([one.mask for one in examples]),
        np.stack([one.target for one in examples]).astype(np.float32),
    )


def fixed_example(case: Case, config: TrainConfig) -> Batch:
    """The whole case with the mask that its volume's name gives, as in an attack: for validation."""
    mask = draw_mask(config, case.kspace.shape[-2:], case.padding, masks.seed_from_name(case.volume))
    return _stack([Batch(case.kspace / case.data_range, mask, case.target / case.data_range)])
