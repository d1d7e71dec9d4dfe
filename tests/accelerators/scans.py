"""The shapes of a scan, from which a case makes the arguments of its function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcs import evaluate
from jaxcs.attacks import ATTACKS
from jaxcs.attacks.defaults import Search, default_attack
from jaxcs.recon import METHODS
from jaxcs.threats import scan
from jaxcs.types import Measurement, SliceData

KEY = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
NUMBER = jax.ShapeDtypeStruct((), jnp.float32)
# A function of arrays, and the shapes of its arguments.
Job = tuple[Callable[..., Any], tuple[Any, ...]]


@dataclass(frozen=True)
class Scan:
    """The size of k-space and the number of slices in a batch."""

    coils: int
    ny: int
    nx: int
    batch: int = 1

    def array(self, *shape: int, dtype: Any = jnp.complex64) -> jax.ShapeDtypeStruct:
        """Make an array of a single slice."""
        return jax.ShapeDtypeStruct(shape, dtype)

    @property
    def kspace(self) -> jax.ShapeDtypeStruct:
        return self.array(self.coils, self.ny, self.nx)

    @property
    def mask(self) -> jax.ShapeDtypeStruct:
        return self.array(self.nx, dtype=jnp.bool_)

    @property
    def image(self) -> jax.ShapeDtypeStruct:
        return self.array(self.ny, self.nx, dtype=jnp.float32)

    @property
    def complex_image(self) -> jax.ShapeDtypeStruct:
        return self.array(self.ny, self.nx)

    @property
    def measurement(self) -> Measurement:
        return Measurement(self.kspace, self.mask, self.kspace)

    @property
    def data(self) -> SliceData:
        side = min(self.ny, self.nx)
        target = self.array(side, side, dtype=jnp.float32)
        return SliceData(self.kspace, self.mask, self.kspace, target, NUMBER, self.array(self.coils, self.coils))

    def batched(self, function: Callable[..., Any], *arguments: Any) -> Job:
        """Make the job of a function of one slice for the whole batch."""
        return (function if self.batch == 1 else jax.vmap(function)), self.of_batch(arguments)

    def of_batch(self, arguments: Any, always: bool = False) -> Any:
        """Give every array the axis of the batch, if there are several slices."""
        if self.batch == 1 and not always:
            return arguments
        return jax.tree.map(lambda one: jax.ShapeDtypeStruct((self.batch, *one.shape), one.dtype), arguments)


class Case(NamedTuple):
    """A main function.

    Attributes:
        job: scan -> the function and the shapes of its arguments.
        exact: whether every product and convolution is at full float32.  Networks compute as their user says.
        compiled: whether its kernels are counted, or it is lowered alone.
    """

    job: Callable[[Scan], Job]
    exact: bool = True
    compiled: bool = True


def reconstruction(name: str, **settings: Any) -> Case:
    """A method without weights, from its measurement to its image."""
    method = METHODS[name].build(METHODS[name].config(**settings))
    return Case(
        lambda scan: scan.batched(lambda measurement, key: method.apply({}, measurement, key), scan.measurement, KEY)
    )


def prepared(name: str, **settings: Any) -> Case:
    """The part of a method that is computed once for coil maps and mask."""
    stages = METHODS[name].build(METHODS[name].config(**settings)).stages
    assert stages is not None
    return Case(lambda scan: scan.batched(lambda maps, mask: stages.prepare({}, maps, mask), scan.kspace, scan.mask))


def attack(
    name: str,
    attack: str | None = None,
    steps: int = 10,
    maps: scan.MapsKept = "fixed",
    exact: bool = True,
    epsilons: int = 1,
    **settings: Any,
) -> Case:
    """An attack on a method, as `bench.attack` runs it, with few steps; the factors of `prepared` are given."""
    entry = METHODS[name]
    config = entry.config(**settings)
    search = default_attack(entry) if attack is None else Search(attack, ATTACKS[attack].config())
    search = search._replace(config=replace(search.config, n_steps=steps))

    def job(size: Scan) -> Job:
        stages = entry.build(config)
        params = jax.eval_shape(stages.init, KEY)

        def run(params: Any, *arguments: Any) -> Any:
            path = scan.build("noise", maps=maps, calibration=(24, 24))
            return built(params, path).searches["it"](*arguments)

        def built(params: Any, path: scan.Scan) -> evaluate.Functions:
            return evaluate.build(evaluate.Goal(), params, entry, config, {"it": search}, path)

        path = scan.build("noise", maps=maps, calibration=(24, 24))
        data, key = size.of_batch((size.data, KEY), always=True)
        staged = jax.eval_shape(lambda params, data: built(params, path).stage(data), params, data)
        start = jax.eval_shape(lambda params, data, key: built(params, path).prepare(data, key), params, data, key)
        clean, radii = size.of_batch((size.data.target, size.array(epsilons, dtype=jnp.float32)), always=True)
        return run, (params, data, staged, clean, start, radii, key)

    return Case(job, exact)
