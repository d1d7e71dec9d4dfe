"""Batches on their way to the devices: stacked on the host and sent once, each device its own slices."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array

from bench.slices.prepare import Prepared, SliceData
from data_prep.names import checksum
from jaxcs.keys import new_key


class Batch(NamedTuple):
    """Slices that are computed together.

    Attributes:
        members: the slices.
        data: their arrays with a first axis for the slices, on the devices.  A short batch is filled up by copies of
            its first slice, so that nothing compiles again and each device has as many; their results are dropped.
        keys: (slice,) random key of each slice, by its name: its numbers depend neither on the order nor on the batch.
        sharding: of arrays with a first axis for the slices; None for one device.
    """

    members: list[Prepared]
    data: SliceData
    keys: Array
    sharding: NamedSharding | None

    @property
    def size(self) -> int:
        """Number of slices with the copies."""
        return self.keys.shape[0]

    def zeros(self, like: Any) -> Array:
        """Make zeros of a shape and type where the slices are, so that none of them go over one device."""
        return jnp.zeros(like.shape, like.dtype, device=self.sharding)


def send(members: list[Prepared], size: int, seed: int, mesh: Mesh | None) -> Batch:
    """Send slices of one shape to the devices; returns before they have arrived.

    Args:
        members: the slices, at most `size`.
        size: number of slices of a batch on all devices together.
        seed: of the run.
        mesh: devices that share the slices evenly, or None for one device.
    """
    devices = 1 if mesh is None else mesh.size
    filled = members + [members[0]] * (-(-size // devices) * devices - len(members))
    sharding = None if mesh is None else NamedSharding(mesh, PartitionSpec(mesh.axis_names))
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *(member.data for member in filled))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(new_key(seed), np.array(list(map(_number, filled)), np.uint32))
    data, keys = jax.device_put((stacked, keys), sharding)
    return Batch(members, data, keys, sharding)


def _number(member: Prepared) -> int:
    return checksum(member.name)
