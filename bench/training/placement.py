"""Where a training's arrays are: a batch's examples spread over the devices of all processes, parameters on each."""

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
    """mesh: the devices, those of a process beside each other.  batch: examples at once, of all processes."""

    mesh: Mesh
    batch: int
    process: int
    processes: int

    @classmethod
    def of(cls, batch: int) -> Placement:
        """As many devices as divide the batch, equally many of each process.

        Raises UsageError where the processes do not divide it.
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
        """Which examples of a batch are this process's."""
        share = self.batch // self.processes
        return range(self.process * share, (self.process + 1) * share)

    def spread(self, batch: Any) -> Any:
        """A whole batch, on the devices, of each process's own examples, which are on the second axis."""
        sharding = NamedSharding(self.mesh, PartitionSpec(None, "example"))
        return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(sharding, leaf), batch)

    def everywhere(self, values: Any) -> Any:
        """What every process has alike, on each device."""
        sharding = NamedSharding(self.mesh, PartitionSpec())
        return jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(sharding, np.asarray(leaf), np.shape(leaf)), values
        )

    def here(self, values: Any) -> Any:
        """What is on each device, on one of this process."""
        return jax.tree.map(lambda leaf: leaf.addressable_data(0), values)

    def total(self, values: np.ndarray) -> np.ndarray:
        """The sum over the processes."""
        if self.processes == 1:
            return values
        return np.asarray(multihost_utils.process_allgather(values)).sum(axis=0)
