"""Slices as one batch."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.slices.prepare import Prepared, SliceData
from data_prep.names import checksum
from jaxcs.keys import new_key


def stacked(slices: Sequence[Prepared], seed: int) -> tuple[SliceData, Array]:
    """Put slices of equal shape into one batch.

    Args:
        slices: the slices.
        seed: seed of the run.

    Returns:
        The slices, with a first axis that counts them, and a random key of each.  A key is made from the slice's name,
        so that its numbers depend neither on the order nor on the batch.
    """
    first = new_key(seed)
    keys = jnp.stack([jax.random.fold_in(first, checksum(one.name)) for one in slices])
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(one.data for one in slices)), keys
