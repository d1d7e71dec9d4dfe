"""The batch: as many slices as the memory of an accelerator holds, by the compiler's account of their need."""

from __future__ import annotations

import math
import os
import sys
from collections import Counter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from bench.evaluate import scan
from bench.evaluate.subjects import Subject
from bench.run.executor import Work, functions_for
from bench.run.parallel import workers
from bench.slices.prepare import Prepared
from jaxcs.keys import new_key
from jaxcs.operators.row_inverse import inverse_bytes

# The value of --batch auto, until the batch is known.
AUTO = 0
# Share of the free memory; the rest is for work beside the attack, and for pieces too small to be used.
_SHARE = 0.8
# Workspace of a library's transforms, which it takes when they first run and of which the compiler knows nothing: an
# allowance, in arrays of the size of the slice's k-space.
_WORKSPACE = 1.0
# Share of all memory for the inverses that solvers keep.
_OF_INVERSES = 0.4
# An interrupted run loses the batches that it was at, and larger ones are hardly faster.
_MOST = 32


class Need(NamedTuple):
    """Memory of an attack on a device.

    Attributes:
        each: bytes of one slice, taken as those of each.
        shared: bytes that do not grow with the batch: weights, which each compiled function holds.
    """

    each: float
    shared: float


def automatic() -> int:
    """Return the batch if no number is given: AUTO, or 1 on the CPU."""
    # There slices are computed side by side in threads, and more of them in one call gain nothing.
    return 1 if jax.default_backend() == "cpu" else AUTO


def chosen(work: Work, shapes: list[tuple[int, int, int]], largest: Prepared) -> int:
    """Choose the number of slices at once on each accelerator, and say on stderr how that came about.

    shapes: of the slices that are to be done.  largest: of these the one that needs the most memory.
    """
    room = _room(jax.local_devices()[0])
    if room is None:
        print("batch 1: the device does not say how much memory it has", file=sys.stderr)
        return 1
    try:
        need = bytes_of_one(work, largest)
    except jax.errors.JaxRuntimeError:
        return 1  # the run fails at the same place, and has the words for it
    room -= need.shared
    batch = fitting(need.each, room, shapes, work.devices)
    print(f"batch {batch}: a slice needs {need.each / 1e9:.2f} GB, and {room / 1e9:.1f} GB are free", file=sys.stderr)
    return batch


def fitting(need: float, room: float, shapes: list[tuple[int, int, int]], devices: int) -> int:
    """Return the largest batch on each device that is of use.

    need: bytes of one slice.  room: bytes that are free for slices.  Batches of the most frequent shape come out evenly
    filled, because a short one takes as long as a whole one.
    """
    (_, count), *_ = Counter(shapes).most_common(1)
    count = -(-count // devices)
    most = max(1, min(int(_SHARE * room / need), _MOST, count))
    return -(-count // -(-count // most))


def within_memory(subject: Subject, shapes: list[tuple[int, int, int]], batch: int) -> tuple[Subject, list[str]]:
    """Return the method by a solver whose matrices fit, and a note if that is another solver.

    shapes: (coil, ny, nx) of the slices.  batch: slices at once on each device.
    """
    otherwise = subject.method.without_inverse(subject.method_config)
    need = workers() * batch * max((inverse_bytes(shape) for shape in shapes), default=0)
    room = _room(jax.local_devices()[0]) or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if otherwise == subject.method_config or need <= _OF_INVERSES * room:
        return subject, []
    note = (
        f"{subject.label}: the inverses of its rows need {need / 1e9:.1f} GB, and {_OF_INVERSES * room / 1e9:.1f} GB "
        f"are for them; solver={otherwise.solver} takes their place, which is slower"
    )
    return subject._replace(method_config=otherwise), [note]


def bytes_of_one(work: Work, prepared: Prepared) -> Need:
    """Memory for one slice on each device, for the method that needs the most: to attack it, or to reconstruct it if
    nothing is attacked.

    Compiles it, for which JAX's cache spares a second run.
    """
    each = max(_bytes(work, index, prepared) for index in range(len(work.sources)))
    return Need(each, float(sum(_weights(work, victim) for victim in work.victims)))


def _weights(work: Work, victim: Subject) -> int:
    """Bytes of a method's weights in all functions that hold them: one that scores, and one for each search."""
    searches = 1 + len(victim.checks) if victim in work.sources else 0
    return (1 + searches) * sum(leaf.nbytes for leaf in jax.tree.leaves(victim.params))


def _bytes(work: Work, index: int, prepared: Prepared) -> float:
    functions = functions_for({}, work.mesh, work.sources[index], [prepared])

    def many(leaf: Any) -> Any:
        return jax.ShapeDtypeStruct((work.devices, *leaf.shape), leaf.dtype)

    data: Any = jax.tree.map(many, prepared.data)
    keys: Any = many(jax.eval_shape(new_key, 0))
    deltas = jax.eval_shape(lambda data: jax.vmap(scan.build(work.config, None).nothing)(data)[:, None], data)
    staged = jax.eval_shape(functions.stage, data)
    image = jax.eval_shape(lambda *given: functions.evaluate(*given).image[:, 0], data, staged, deltas, keys)
    start = jax.eval_shape(functions.prepare, data, keys)
    search: Any = functions.searches["attack"]
    evaluate: Any = functions.evaluate
    attacked = sum(eps > 0 for eps in work.config.eps)
    arguments = (data, staged, image, start, many(jnp.zeros(max(1, attacked), jnp.float32)), keys)
    lowered = search.lower(*arguments) if attacked else evaluate.lower(data, staged, deltas, keys)
    used = lowered.compile().memory_analysis()
    # The results of each method stay there until the batch is done, without the perturbations if none are saved.
    found = jax.eval_shape(search, *arguments)
    stays = found if work.save_perturbations else found._replace(delta=None, noise=None)
    kept = used.output_size_in_bytes + (len(work.sources) - 1) * _size(stays) / work.devices
    # The next batch is sent while this one is computed.
    ahead = _size(data) / work.devices
    workspace = _WORKSPACE * _size(data.kspace) / work.devices
    return float(used.temp_size_in_bytes + used.argument_size_in_bytes + kept + ahead + workspace)


def _size(tree: Any) -> int:
    """Bytes of arrays of these shapes."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def _room(device: jax.Device) -> float | None:
    """Free bytes of a device, or None if it does not tell."""
    stats = device.memory_stats() or {}
    if "bytes_limit" not in stats:
        return None
    return float(stats["bytes_limit"] - stats.get("bytes_in_use", 0))
