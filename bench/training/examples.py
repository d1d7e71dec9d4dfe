"""Training examples: fully sampled cases, under-sampled anew each time; step s sees the same on every run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from bench.plan.errors import InputFileError
from bench.slices.prepare import draw_mask
from bench.training.config import TrainConfig
from data_prep.cases import Case, InputError
from data_prep.maps import maps_of
from jaxcs import masks
from jaxcs.recon import METHODS

# Cases kept in memory once read [bytes]; beyond that they are read again each time.
_CACHE_BYTES = 8e9


class Batch(NamedTuple):
    """Examples of one shape, arrays on the host or on devices; kspace is fully sampled, in units of data_range.

    maps: coil maps, or one zero for each example of a network that uses none from outside.

    Leading axes: (accumulated, batch) for a step, (1,) for validation.
    """

    kspace: Any
    mask: Any
    target: Any
    maps: Any


class Examples:
    """Cases by index, read when they are first needed.

    failed: why those that were needed and cannot be used cannot, by name; each is said once, on stderr.
    """

    def __init__(self, readers: Mapping[str, Callable[[], Case]], shapes: list[tuple[int, int, int]]) -> None:
        self.names, self.readers = list(readers), list(readers.values())
        self.shapes = shapes
        self._cache: dict[int, Case] = {}
        self._maps: dict[int, np.ndarray] = {}
        self._bytes = 0
        self.failed: dict[str, str] = {}
        self._heard: set[str] = set()

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
        for doubt in case.doubts:
            if doubt.kind not in self._heard:
                self._heard.add(doubt.kind)
                print(f"note: {case.name}: {doubt.text}", file=sys.stderr)
        if self._bytes < _CACHE_BYTES:
            self._cache[index] = case
            self._bytes += case.kspace.nbytes + case.target.nbytes
        return case

    def maps(self, index: int, config: TrainConfig) -> np.ndarray:
        """Coil maps of a case, estimated when they are first needed, of the centre that every mask samples fully.

        Raises InputFileError where they cannot be.
        """
        if not needs_maps(config):
            return np.zeros((), np.complex64)
        if index in self._maps:
            return self._maps[index]
        try:
            found = maps_of(self.case(index), config.center_fraction)
        except InputError as error:
            raise InputFileError(str(error)) from error
        if self._bytes < _CACHE_BYTES:
            self._maps[index] = found
            self._bytes += found.nbytes
        return found

    def usable(self, index: int, config: TrainConfig) -> tuple[Case, np.ndarray]:
        """A case and its maps; where it cannot be used, those of the next of its shape that can.

        Raises InputFileError where none of that shape can.
        """
        alike = [other for other, shape in enumerate(self.shapes) if shape == self.shapes[index]]
        start = alike.index(index)
        for other in alike[start:] + alike[:start]:
            if (found := self.attempt(other, config)) is not None:
                return found
        raise InputFileError(self.failed[self.names[index]])

    def attempt(self, index: int, config: TrainConfig) -> tuple[Case, np.ndarray] | None:
        """A case and its maps; None where it cannot be used, which is then known by `failed`."""
        name = self.names[index]
        if name in self.failed:
            return None
        try:
            return self.case(index), self.maps(index, config)
        except InputFileError as error:
            self.failed[name] = str(error)
            print(f"note: left out: {error}", file=sys.stderr)
            return None


def needs_maps(config: TrainConfig) -> bool:
    """Whether the network uses coil maps from outside."""
    entry = METHODS[config.method]
    return entry.uses_maps(entry.presets[config.variant])


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
    cases = [examples.usable(members[slot], config) for slot in slots]
    flat = _stack([_example(*case, config, (step, slot)) for case, slot in zip(cases, slots, strict=True)])
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


def _example(case: Case, maps: np.ndarray, config: TrainConfig, draw: tuple[int, int]) -> Batch:
    rng = np.random.RandomState([config.seed, 1, *draw])
    kspace, target = case.kspace / case.data_range, case.target / case.data_range
    if 0 < config.rows < kspace.shape[-2] and kspace.shape[-2] == target.shape[0]:
        kspace, target, maps = _some_rows(kspace, target, maps, config.rows, rng)
    if rng.rand() < 0.5:
        # Mirrored about its central row, which the target's and the k-space's own symmetry share.
        kspace, target, maps = (_mirrored(x) if x.ndim else x for x in (kspace, target, maps))
    return Batch(
        kspace, draw_mask(config.sampling, kspace.shape[-2:], case.padding, (config.seed, 2, *draw)), target, maps
    )


def _some_rows(
    kspace: np.ndarray, target: np.ndarray, maps: np.ndarray, rows: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A band of image rows: the readout is fully sampled, so that a band is a measurement of its own."""
    start = rng.randint(kspace.shape[-2] - rows + 1)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes=-2), axis=-2, norm="ortho"), axes=-2)
    band = np.fft.ifftshift(hybrid[..., start : start + rows, :], axes=-2)
    kspace = np.fft.fftshift(np.fft.fft(band, axis=-2, norm="ortho"), axes=-2)
    return kspace, target[start : start + rows], maps[..., start : start + rows, :] if maps.ndim else maps


def _mirrored(x: np.ndarray) -> np.ndarray:
    """Rows in reverse, about the centre n // 2 of both; what wraps around is the first row of an even axis."""
    flipped = np.flip(x, -2)
    return flipped if x.shape[-2] % 2 else np.roll(flipped, 1, -2)


def _stack(examples: list[Batch]) -> Batch:
    """Examples of one shape as one batch."""
    return Batch(
        np.stack([one.kspace for one in examples]).astype(np.complex64),
        np.stack([one.mask for one in examples]),
        np.stack([one.target for one in examples]).astype(np.float32),
        np.stack([one.maps for one in examples]).astype(np.complex64),
    )


def fixed_example(examples: Examples, index: int, config: TrainConfig) -> Batch | None:
    """The whole case with the mask that its volume's name gives, as in an attack, for validation; None if unusable."""
    found = examples.attempt(index, config)
    if found is None:
        return None
    case, maps = found
    mask = draw_mask(config.sampling, case.kspace.shape[-2:], case.padding, masks.seed_from_name(case.volume))
    kspace, target = case.kspace / case.data_range, case.target / case.data_range
    return _stack([Batch(kspace, mask, target, maps)])
