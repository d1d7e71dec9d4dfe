"""One method on one slice: results that are computed once, and the scores of features at many places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bench.evaluate.subjects import Subject
from bench.run.parallel import side_by_side
from bench.slices.prepare import Prepared
from bench.studies.features.config import FeatureConfig
from bench.studies.features.functions import Functions, Without, build
from bench.studies.features.places import Place
from bench.studies.staged import Staged
from data_prep.names import checksum
from jaxcs.features.insert import Background
from jaxcs.keys import new_key
from jaxcs.recon import fitted

# Number of places that are recorded together, so that not each waits for the disk.
GROUP = 16


class OneSlice(NamedTuple):
    """A method on a slice.

    Attributes:
        prepared: the slice as it was read.
        functions: the compiled functions.
        staged: the slice with the method's result for maps and mask.
        back: the images into which the feature is inserted.
        without: reconstructions without a feature.
        scores: scores of the whole image without a feature, by name.
        key: random key of the method.
    """

    prepared: Prepared
    functions: Functions
    staged: Staged
    back: Background
    without: Without
    scores: dict[str, float]
    key: Any

    def rows(self, places: list[Place]) -> list[dict[str, Any]]:
        """Score a feature at each place."""
        data = self.prepared.data
        centres = jnp.asarray([place.centre(data.maps.shape[1:], data.target.shape) for place in places], jnp.float32)
        sizes = jnp.asarray([place.size for place in places], jnp.float32)
        # Several at once are not faster on the CPU, and slow down fits of networks on it.
        at_once = 1 if jax.default_backend() == "cpu" else len(places)
        parts = [
            self.functions.place(
                self.staged, self.back, self.without, centres[i : i + at_once], sizes[i : i + at_once], self.key
            )
            for i in range(0, len(places), at_once)
        ]
        values = {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}
        return [
            place._asdict() | {name: value[index].item() for name, value in values.items()}
            for index, place in enumerate(places)
        ]


def prepare_slice(
    config: FeatureConfig, compiled: dict[Any, Functions], subject: Subject, prepared: Prepared
) -> OneSlice:
    """Reconstruct without a feature, and under `config.draws` draws of noise.

    The noise has the scan's level and the covariance of its coils; it is added to data that have such noise already.
    """
    prepared = prepared.sent()
    data = prepared.data
    method_config = fitted(subject.method_config, data.maps.shape[1:], data.target.shape)
    kind = (subject.label, method_config)
    if kind not in compiled:
        compiled[kind] = build(subject, method_config, config.insertion)
    functions = compiled[kind]
    # The seed comes from the name, so that a slice's numbers do not depend on the other slices of the study.
    seed = jax.random.fold_in(new_key(subject.config.seed), checksum(prepared.name))
    key, noise_key = jax.random.split(seed)
    back = functions.background(data)
    staged = functions.stage(data)
    image, scores = functions.clean(staged, key)
    thermal = prepared.thermal or 0.0

    def draw(index: int) -> tuple[np.ndarray, np.ndarray]:
        found = functions.noisy(staged, back, thermal, jax.random.fold_in(noise_key, index), key)
        return np.asarray(found[0]), np.asarray(found[1])

    draws = config.draws if thermal > 0 else 0
    found = list(side_by_side(draw, iter(range(draws))))
    empty = np.zeros((0, *data.target.shape), np.float32)
    noisy, noisy_truth = (np.stack([one[i] for one in found]) if found else empty for i in (0, 1))
    without = Without(image, jnp.asarray(noisy), jnp.asarray(noisy_truth))
    numbers = {name: float(value) for name, value in scores.items()}
    return OneSlice(prepared, functions, staged, back, without, numbers, key)


def groups(subject: Subject, found: list[Place]) -> Iterator[list[Place]]:
    """Yield the places in groups of `GROUP`, or one by one if each place is a fit."""
    size = 1 if subject.method.fitted else GROUP
    for first in range(0, len(found), size):
        yield found[first : first + size]
