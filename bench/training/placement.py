"""Placement of a training's arrays: examples are spread over the devices of all processes, parameters are on each."""

from __future__ import annotations

import math
from itertools import groupby
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from bench.plan.errors import UsageError


class Placement(NamedTuple):
    """The devices that share a batch.

    Attributes:
        mesh: the devices; devices of one process are adjacent.
        batch: number of examples in a batch, over all processes.
        process: index of this process.
        processes: number of processes.
    """

    mesh: Mesh
    batch: int
    process: int
    processes: int

    @classmethod
    def of(cls, batch: int) -> Placement:
        """Choose as many devices as divide the batch, with the same number in each process.

        Raises:
            UsageError: the number of processes does not divide the batch.
        """
        processes = jax.process_count()
        if batch % processes:
            raise UsageError(f"--batch {batch}: {processes} processes share it; name a multiple of {processes}")
        there = [list(own) for _, own in groupby(jax.devices(), lambda device: device.process_index)]
        each = math.gcd(batch // processes, *map(len, there))
        devices = [device for own in there for device in own[:each]]
        return cls(Mesh(np.array(devices), ("example",)), batch, jax.process_index(), processes)

    @property
    def own(self) -> range:
        """The examples of a batch that belong to this process."""
        share = self.batch // self.processes
        return range(self.process * share, (self.process + 1) * share)

    def spread(self, batch: Any) -> Any:
        """Assemble a whole batch on the devices from each process's part; examples are on the second axis."""
        sharding = NamedSharding(self.mesh, PartitionSpec(None, "example"))
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), batch)

    def everywhere(self, values: Any) -> Any:
        """Put values that are the same in every process on each device."""
        sharding = NamedSharding(self.mesh, PartitionSpec())
        return jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf), np.shape(leaf)), values
        )

    def here(self, values: Any) -> Any:
        """Return values that are on each device as arrays on one device of this process."""
        return jax.tree.map(lambda leaf: leaf.addressable_data(0), values)

    def total(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over the processes."""
        if self.processes == 1:
            return values
        return np.asarray(multihost_utils.process_allgather(values)).sum(axis=0)
