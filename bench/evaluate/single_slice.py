"""A slice by itself under the functions of an experiment, as bench.attack would compute it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.experiment import Functions
from bench.slices.prepare import Prepared, SliceData
from data_prep.names import checksum
from jaxcs.keys import new_key


class SingleSlice(NamedTuple):
    """The slice with an axis of its own, and what all that is computed of it shares.

    staged: what the method makes of coil maps and mask alone.  keys: of this slice, (1,).
    """

    functions: Functions
    data: SliceData
    staged: Any
    keys: Array

    @classmethod
    def of(cls, functions: Functions, prepared: Prepared, seed: int = 0) -> SingleSlice:
        """The slice with the keys that bench.attack draws with this seed."""
        data = jax.tree.map(lambda leaf: leaf[None], prepared.data)
        keys = jax.random.fold_in(new_key(seed), checksum(prepared.name))[None]
        return cls(functions, data, functions.stage(data), keys)

    def nothing(self) -> Array:
        """No perturbation, (1, 1, coil, ny, nx)."""
        return jnp.zeros_like(self.data.kspace)[:, None]

    def attack(self, eps: Sequence[float]) -> Array:
        """The perturbations that drive the image from the truth, (1, epsilon, coil, ny, nx)."""
        start, sizes = self.functions.prepare(self.data, self.keys), jnp.asarray([eps], jnp.float32)
        # Driven from the truth, the search asks for no clean image; the target has its shape.
        search = self.functions.searches["attack"]
        return search(self.data, self.staged, self.data.target, start, sizes, self.keys).delta

    def scores(self, deltas: Array) -> dict[str, list[float]]:
        """Scores of the reconstruction under each perturbation, by metric."""
        found = self.functions.evaluate(self.data, self.staged, deltas, self.keys).scores
        return {name: score[0].tolist() for name, score in found.items()}
