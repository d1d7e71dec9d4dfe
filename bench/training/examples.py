"""Training examples: fully sampled cases, under-sampled anew in each step; step s is the same in every run."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count, groupby, islice
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np

from bench.plan.errors import InputFileError
from bench.slices.one_coil import mask_seed, reader, shape_of
from bench.slices.prepare import draw_mask
from bench.training.config import TrainConfig
from data_prep.cases import Case, InputError
from data_prep.maps import maps_of
from jaxcs import masks
from jaxcs.recon import METHODS

# Number of batches that are made at once for an accelerator, which needs a batch every few milliseconds.  A batch of 8
# examples of 15 x 640 x 368 takes one core 0.2 to 0.9 s.  On the CPU more threads would take time from the training.
_AT_ONCE = 4
# Most memory for cases that were read [bytes]; further cases are read again each time.
_CACHE_BYTES = 8e9


class Batch(NamedTuple):
    """Examples of one shape, as arrays on the host or on devices.

    Leading axes are (accumulate, batch) for a step and (1,) for validation.

    Attributes:
        kspace: (..., coil, ny, nx) fully sampled k-space, in units of data_range.
        mask: (..., nx) or (..., ny, nx), True where measured.
        target: (..., rows, columns) target image, in units of data_range.
        maps: (..., coil, ny, nx) coil sensitivity maps, or one zero for each example if the network takes no maps.
    """

    kspace: Any
    mask: Any
    target: Any
    maps: Any


class Examples:
    """Cases by index, each read when it is first needed.

    Attributes:
        failed: by name, why a case cannot be used; each reason is printed once on stderr.
    """

    def __init__(self, readers: Mapping[str, Callable[[], Case]], shapes: list[tuple[int, int, int]]) -> None:
        self.names, self.readers = list(readers), list(readers.values())
        self.shapes = shapes
        self._cache: dict[int, Case] = {}
        self._maps: dict[int, np.ndarray] = {}
        self._bytes = 0
        self.failed: dict[str, str] = {}
        self._heard: set[str] = set()
        self._reading = Lock()

    def __len__(self) -> int:
        return len(self.readers)

    def case(self, index: int, whole: bool = True) -> Case:
        """Read a case.

        Args:
            index: its index.
            whole: whether it must be fully sampled.

        Raises:
            InputFileError: the case cannot be used.
        """
        if index in self._cache:
            return self._cache[index]
        try:
            case = self.readers[index]()
        except InputError as error:
            raise InputFileError(str(error)) from error
        if whole and case.mask is not None and np.iscomplexobj(case.kspace):
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
        """Estimate coil sensitivity maps of a case, once, from the centre, which every mask samples fully.

        Returns:
            (coil, ny, nx) complex64, or () zero if the network takes no maps; those of a sinogram are given.

        Raises:
            InputFileError: the maps cannot be estimated.
        """
        if config.sinograms:
            maps = self.case(index).maps
            assert maps is not None
            return maps
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
        """Return a case and its maps; if it cannot be used, the next usable case of the same shape.

        Raises:
            InputFileError: no case of this shape can be used.
        """
        alike = [other for other, shape in enumerate(self.shapes) if shape == self.shapes[index]]
        start = alike.index(index)
        for other in alike[start:] + alike[:start]:
            if (found := self.attempt(other, config)) is not None:
                return found
        raise InputFileError(self.failed[self.names[index]])

    def attempt(self, index: int, config: TrainConfig) -> tuple[Case, np.ndarray] | None:
        """Return a case and its maps, or None if it cannot be used; `failed` then has the reason."""
        name = self.names[index]
        if name in self.failed:
            return None
        try:
            with self._reading:  # so that a case is read once, and each reason is printed once
                return self.case(index), self.maps(index, config)
        except InputFileError as error:
            self.failed[name] = str(error)
            print(f"note: left out: {error}", file=sys.stderr)
            return None


def of_one_coil(examples: Examples, side: int | None) -> Examples:
    """Return the examples as scans of one coil, of `side` x `side` pixels unless that is None."""
    readers = {name: reader(read, side) for name, read in zip(examples.names, examples.readers, strict=True)}
    return Examples(readers, [shape_of(shape, side) for shape in examples.shapes])


def needs_maps(config: TrainConfig) -> bool:
    """Return whether the network takes coil sensitivity maps as an input."""
    entry = METHODS[config.method]
    return entry.uses_maps(entry.presets[config.variant])


def batches(
    examples: Examples, config: TrainConfig, first_step: int, own: range, place: Callable[[Batch], Batch]
) -> Iterator[Batch]:
    """Yield the batches from step `first_step` on, without end; further ones are made while a batch is in use.

    Args:
        examples: the training examples.
        config: settings of the training.
        first_step: first step.
        own: which examples of each batch this process makes; all, unless several processes share the batch.
        place: puts a batch where it is used, also while the batch before is in use.
    """
    size = config.batch * config.accumulate
    at_once = 1 if jax.default_backend() == "cpu" else _AT_ONCE

    def make(step: int) -> Batch:
        return place(_batch(examples, config, size, step, own))

    with ThreadPoolExecutor(at_once) as executor:
        waiting = deque(executor.submit(make, first_step + ahead) for ahead in range(at_once))
        for step in count(first_step + at_once):
            batch = waiting.popleft().result()
            waiting.append(executor.submit(make, step))
            yield batch


def _batch(examples: Examples, config: TrainConfig, size: int, step: int, own: range) -> Batch:
    per_epoch = sum(-(-len(members) // size) for members in _by_shape(examples).values())
    epoch, position = divmod(step, per_epoch)
    members = _epoch(examples, config.seed, epoch, size)[position]
    # The random draws of an example depend on its place in the whole batch, not on the process that makes it.
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
    """All examples in random order, as batches of one shape; a shape's last batch is filled from its first examples."""
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
    if case.mask is not None:  # a sinogram, whose views are fixed
        return Batch(kspace, case.mask, target, maps)
    if 0 < config.rows < kspace.shape[-2] and kspace.shape[-2] == target.shape[0]:
        kspace, target, maps = _some_rows(kspace, target, maps, config.rows, rng)
    if rng.rand() < 0.5:
        # Mirror about the central row, which is the centre of symmetry of both the target and the k-space.
        kspace, target, maps = (_mirrored(x) if x.ndim else x for x in (kspace, target, maps))
    seed = mask_seed((config.method,), (config.seed, 2, *draw))
    return Batch(kspace, draw_mask(config.sampling, kspace.shape[-2:], case.padding, seed), target, maps)


def _some_rows(
    kspace: np.ndarray, target: np.ndarray, maps: np.ndarray, rows: int, rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A band of image rows; because the readout is fully sampled, the band is a complete measurement."""
    start = rng.randint(kspace.shape[-2] - rows + 1)
    hybrid = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(kspace, axes=-2), axis=-2, norm="ortho"), axes=-2)
    band = np.fft.ifftshift(hybrid[..., start : start + rows, :], axes=-2)
    kspace = np.fft.fftshift(np.fft.fft(band, axis=-2, norm="ortho"), axes=-2)
    return kspace, target[start : start + rows], maps[..., start : start + rows, :] if maps.ndim else maps


def _mirrored(x: np.ndarray) -> np.ndarray:
    """Reverse the rows about the centre n // 2 of image and k-space; on an even axis the first row stays in place."""
    flipped = np.flip(x, -2)
    return flipped if x.shape[-2] % 2 else np.roll(flipped, 1, -2)


def _stack(examples: list[Batch]) -> Batch:
    """Examples of one shape as one batch."""
    return Batch(
        _single(np.stack([one.kspace for one in examples])),
        np.stack([one.mask for one in examples]),
        np.stack([one.target for one in examples]).astype(np.float32),
        _single(np.stack([one.maps for one in examples])),
    )


def _single(x: np.ndarray) -> np.ndarray:
    """In single precision; a sinogram and its maps stay real."""
    return x.astype(np.complex64 if np.iscomplexobj(x) else np.float32)


def fixed_example(examples: Examples, index: int, config: TrainConfig) -> Batch | None:
    """Return a whole case with the mask that its volume's name gives, as in an attack; for validation.

    Returns:
        A batch with leading axis (1,), or None if the case cannot be used.
    """
    found = examples.attempt(index, config)
    if found is None:
        return None
    case, maps = found
    seed = mask_seed((config.method,), masks.seed_from_name(case.volume))
    mask = case.mask
    if mask is None:
        mask = draw_mask(config.sampling, case.kspace.shape[-2:], case.padding, seed)
    kspace, target = case.kspace / case.data_range, case.target / case.data_range
    return _stack([Batch(kspace, mask, target, maps)])


def fixed_batches(
    examples: Examples, indices: Iterable[int], config: TrainConfig, size: int
) -> Iterator[tuple[list[int], Batch]]:
    """Yield the usable ones of these examples, as `fixed_example` makes them, in batches of one shape.

    Args:
        examples: the validation examples.
        indices: which of them.
        config: settings of the training.
        size: number of examples in a batch; a shorter one is filled up by its first, so that nothing compiles again.

    Yields:
        The indices, and the batch, which begins with them.
    """
    found = ((index, fixed_example(examples, index, config)) for index in indices)
    usable = ((index, example) for index, example in found if example is not None)
    for _, alike in groupby(usable, lambda one: [leaf.shape for leaf in one[1]]):
        while group := list(islice(alike, size)):
            members = [example for _, example in group]
            members += members[:1] * (size - len(group))
            yield [index for index, _ in group], Batch(*map(np.concatenate, zip(*members, strict=True)))
