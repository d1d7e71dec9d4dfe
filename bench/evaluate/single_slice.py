"""A single slice under the functions of an experiment, computed as bench.attack would compute it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.experiment import Functions
from bench.evaluate.sending import send
from bench.slices.prepare import Prepared, SliceData


class SingleSlice(NamedTuple):
    """A batch of one slice, and the results that all its computations share.

    Attributes:
        functions: the functions of the experiment.
        data: the slice, with a first axis of length 1.
        staged: the method's result for coil maps and mask alone.
        keys: (1,) random key of the slice.
    """

    functions: Functions
    data: SliceData
    staged: Any
    keys: Array

    @classmethod
    def of(cls, functions: Functions, prepared: Prepared, seed: int = 0) -> SingleSlice:
        """Make the batch of a slice, with the random key that bench.attack draws with this seed."""
        batch = send([prepared], 1, seed, None)
        return cls(functions, batch.data, functions.stage(batch.data), batch.keys)

    def nothing(self) -> Array:
        """Return the perturbation zero, (1, 1, coil, ny, nx)."""
        return jnp.zeros_like(self.data.kspace)[:, None]

    def attack(self, eps: Sequence[float]) -> Array:
        """Search the perturbations that drive the image away from the truth.

        Args:
            eps: the epsilons.

        Returns:
            (1, epsilon, coil, ny, nx) perturbations of the scaled k-space.
        """
        start, epsilons = self.functions.prepare(self.data, self.keys), jnp.asarray([eps], jnp.float32)
        # A search away from the truth does not use the clean image; the target has the shape of it.
        search = self.functions.searches["attack"]
        return search(self.data, self.staged, self.data.target, start, epsilons, self.keys).delta

    def scores(self, deltas: Array) -> dict[str, list[float]]:
        """Score the reconstruction under each perturbation.

        Args:
            deltas: (1, perturbation, coil, ny, nx) perturbations.

        Returns:
            A score for each perturbation, by metric.
        """
        found = self.functions.evaluate(self.data, self.staged, deltas, self.keys).scores
        return {name: score[0].tolist() for name, score in found.items()}
