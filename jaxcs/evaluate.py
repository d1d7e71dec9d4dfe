"""Search and score a slice: method, attack, threat and loss composed into functions, batched and compiled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from jaxcs.attacks import Path
from jaxcs.attacks.base import AttackResult, Loss
from jaxcs.attacks.defaults import Search
from jaxcs.attacks.losses import LOSSES, ImageLoss
from jaxcs.complex import l2_norm, magnitude
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.metrics import METRICS, Region, crop
from jaxcs.operators import Sense
from jaxcs.recon import Method
from jaxcs.recon.staged import stages_of
from jaxcs.threats.scan import Scan
from jaxcs.types import Follow, Key, Measurement, Reconstructor, SliceData, Solution

Scores = dict[str, Array]
Score = Callable[[Array, Array, Region | None], Array]
# What is at least this share of its allowed size counts as all of it: the noise is then of the whole size, a little
# larger than the perturbation, and one control serves all attacks of this size.
_WHOLE = 0.99


class Found(NamedTuple):
    """Result of the attack on one slice at one epsilon, and the control.

    delta and noise: the perturbations, both in the threat set and of one size.
    norm: the size of `delta` in the units of epsilon; norm_kspace: the change of M y, relative to it; both measured.
    share: size of delta over the largest allowed.  overshoot: that of the attack's own result, before its projection.
    picture: (ty, tx) magnitude of A^H of the change of M y, cropped as images are.
    gradient_norm: at the attack's first point.
    loss, trace, restarts: as in `AttackResult`, in the units of the loss.
    """

    delta: Array
    noise: Array
    norm: Array
    norm_kspace: Array
    share: Array
    overshoot: Array
    picture: Array
    gradient_norm: Array
    loss: Array
    trace: Array
    restarts: Array


class Evaluated(NamedTuple):
    """One reconstruction: the image, what it should be, and how it scores.

    solver_error: estimated distance of the solver's image from its minimiser, relative; NaN for what minimises nothing.
    """

    image: Array
    truth: Array
    scores: Scores
    solver_error: Array


class Functions(NamedTuple):
    """Compiled functions of a batch of slices of one shape; each holds the method once, so that little is compiled.

    stage: slices -> what the method makes of coil maps and mask alone, for all that follows.
    prepare: slices, keys -> parameters of the method that is searched on.
    searches: by the attack's name; slices, that stage, clean images, those parameters, epsilons (slice, epsilon),
        keys -> Found, with these two axes.
    evaluate: slices, that stage, perturbations (slice, perturbation, ...), keys -> Evaluated, with these two axes.
    What is found at an epsilon does not depend on the others beside it.
    """

    stage: Callable[[SliceData], Any]
    prepare: Callable[[SliceData, Array], Any]
    searches: dict[str, Callable[[SliceData, Any, Array, Any, Array, Array], Found]]
    evaluate: Callable[[SliceData, Any, Array, Array], Evaluated]


class Goal(NamedTuple):
    """The error that an attack drives up, and the part of an image that counts.

    target: "truth" or "clean", from which the attack drives the image away.
    loss: the error that it drives up, named in `jaxcs.attacks.losses`.
    region: (first row, first column, rows, columns) of the target that is scored, None for all of it.
    aim: "image" or "region": what the attack looks at.
    conventions: further scores by name, each a function of (image, truth, region).
    """

    target: str = "truth"
    loss: str = "nmse"
    region: Region | None = None
    aim: str = "image"
    conventions: Mapping[str, Score] = MappingProxyType({})

    @property
    def aimed(self) -> Region | None:
        """The part that the attack looks at, None for the whole image."""
        return self.region if self.aim == "region" else None


def build(
    goal: Goal,
    params: Any,
    entry: Method,
    method_config: Any,
    searches: dict[str, Search],
    scan: Scan,
    mesh: Mesh | None = None,
) -> Functions:
    """Close over the static choices.

    Args:
        goal: what the attack drives up, and what is scored.
        params: what the method has learnt, {} for nothing.
        entry: the method, with its configuration `method_config`.
        searches: by name, the attack and those that it is checked by.
        scan: how perturbations enter.
        mesh: devices among which the slices of a batch are dealt out evenly, or None for one.
    """
    method, surrogate = entry.build(method_config), entry.surrogate(method_config)
    searching = entry.build(entry.searched(method_config)) if surrogate is None else surrogate.method
    aimed, loss = goal.aimed, LOSSES[goal.loss]

    def stage(data: SliceData) -> Any:
        return stages_of(method).prepare(params, data.maps, data.mask) if scan.maps_stay else None

    def reconstruct(
        method: Reconstructor, params: Any, data: SliceData, staged: Any, delta: Array, key: Key
    ) -> Solution:
        measurement, stages = scan.measure(data, delta), stages_of(method)
        if staged is None:
            staged = stages.prepare(params, measurement.maps, measurement.mask)
        found = stages.solve(params, staged, measurement, key)
        return found._replace(image=image_crop(found.image, _shape(data)))

    def prepare(data: SliceData, key: Key) -> Any:
        return params if surrogate is None else surrogate.start(params, scan.measure(data, scan.nothing(data)), key)

    def search_by(search: Search) -> Callable[..., Found]:
        attack, kind = search.kind.build(search.config), search.kind
        searched = searching if kind.searches else method

        def run(data: SliceData, staged: Any, clean: Array, start: Any, epsilon: Array, key: Key) -> Found:
            attack_key, noise_key = jax.random.split(key)
            allowed = scan.allowed(data, epsilon)

            def reference(delta: Array) -> Array:
                return scan.truth(data, delta) if goal.target == "truth" else clean

            def imaged(delta: Array) -> Array:
                known = staged if surrogate is None or not kind.searches else None
                return reconstruct(searched, start if kind.searches else params, data, known, delta, key).image

            def rows(image: Array, delta: Array) -> Array:
                return _rows(loss, image, reference(delta), data.data_range, aimed)

            def losses(delta: Array) -> Array:
                return rows(imaged(delta), delta)

            def residual(delta: Array) -> Array:
                return crop(imaged(delta) - reference(delta), aimed)

            if kind.sees == "objective":
                assert entry.variational is not None
                problem = entry.variational(method_config)(scan.measure(data, scan.nothing(data)), key)
                found = attack(
                    attack_key,
                    problem,
                    lambda delta: scan.measure(data, delta).kspace,
                    ifft2c(data.kspace),
                    allowed,
                )
            else:
                seen: Any = residual
                if kind.sees == "path":
                    followed = followed_by(data.mask)
                    seen = _path(losses) if followed is None else follow(followed, data, staged, rows)
                elif kind.sees == "loss":
                    seen = _sum(losses)
                found = attack(attack_key, seen, allowed)
            size = crop(data.target if goal.target == "truth" else clean, aimed)
            return _found(scan, data, epsilon, found, noise_key, lambda total: loss.value(total, size))

        return many_of(run, 4)

    def followed_by(mask: Array) -> Follow | None:
        """How the method follows a search; only where neither coil maps nor what is right change with it."""
        return stages_of(method).follow(mask) if scan.maps_stay and scan.additive else None

    def follow(followed: Follow, data: SliceData, staged: Any, rows: Callable[[Array, Array], Array]) -> Path:
        """rows: image, perturbation -> the loss of each row."""

        def ascend(delta: Array, memory: Any) -> tuple[Array, Array, Any]:
            kspace, back = jax.vjp(lambda delta: scan.measure(data, delta).kspace, delta)
            image, pull = followed.advance(staged, Measurement(kspace, data.mask, data.maps), memory)
            losses, to_image = jax.vjp(lambda image: rows(image_crop(image, _shape(data)), delta), image)
            kspace_gradient, memory = pull(to_image(jnp.ones_like(losses))[0])
            return losses, jnp.conj(back(kspace_gradient)[0]), memory

        return Path(followed.first(scan.measure(data, scan.nothing(data))), ascend)

    # What shares a factor is computed at once; networks have nothing to share, and memory would grow.
    together = stages_of(method).follow(jnp.zeros(1, bool)) is not None

    def many_of(function: Callable[..., Any], position: int) -> Callable[..., Any]:
        """The function for several values of one argument."""

        @wraps(function)
        def over(*args: Any) -> Any:
            def of(value: Any) -> Any:
                return function(*args[:position], value, *args[position + 1 :])

            values = args[position]
            if values.shape[0] == 1:
                return jax.tree.map(lambda leaf: leaf[None], of(values[0]))
            return jax.vmap(of)(values) if together else jax.lax.map(of, values)

        return over

    def evaluate(data: SliceData, staged: Any, delta: Array, key: Key) -> Evaluated:
        solution, truth = reconstruct(method, params, data, staged, delta, key), scan.truth(data, delta)
        image = solution.image
        seen = crop(image, goal.region), crop(truth, goal.region)
        scores = {name: metric(*seen, data.data_range) for name, metric in METRICS.items()}
        for name, score in goal.conventions.items():
            scores[name] = score(image, truth, goal.region)
        if entry.clamped is not None:
            scores["clamped"] = entry.clamped(method_config, scan.measure(data, delta))
        return Evaluated(image, truth, scores, solution.error)

    # A batch of networks with parameters of their own is a grouped convolution, which the CPU is slow at.
    one_by_one = entry.fitted and jax.default_backend() == "cpu"

    def batched(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def many(*args: Any) -> Any:
            if jax.tree.leaves(args)[0].shape[0] == 1:
                # Without a batch's axis a loop of unknown length ends without selecting between old and new.
                return jax.tree.map(lambda leaf: leaf[None], function(*jax.tree.map(lambda leaf: leaf[0], args)))
            if one_by_one:
                return jax.lax.map(lambda one: function(*one), args)
            return jax.vmap(function)(*args)

        if mesh is None:
            return jax.jit(many)
        # Slices have nothing to do with each other: each device computes its own, and nothing is sent.
        slices = PartitionSpec(mesh.axis_names)
        return jax.jit(jax.shard_map(many, mesh=mesh, in_specs=slices, out_specs=slices, check_vma=False))

    return Functions(
        batched(stage),
        batched(prepare),
        {name: batched(search_by(search)) for name, search in searches.items()},
        batched(many_of(evaluate, 2)),
    )


def _rows(loss: ImageLoss, image: Array, reference: Array, data_range: Array, aimed: Region | None) -> Array:
    """The loss of each row of the image, of its part inside the region."""
    if aimed is None:
        return loss.rows(image, reference, data_range)
    first, _, count, _ = aimed
    inside = loss.rows(crop(image, aimed), crop(reference, aimed), data_range)
    return jnp.zeros(image.shape[0], inside.dtype).at[first : first + count].set(inside)


def _sum(losses: Callable[[Array], Array]) -> Loss:
    """The loss of the whole image from those of its rows."""
    return lambda delta: jnp.sum(losses(delta))


def _path(losses: Callable[[Array], Array]) -> Path:
    """Losses by rows that remember nothing."""

    def ascend(delta: Array, memory: Any) -> tuple[Array, Array, Any]:
        found, pull = jax.vjp(losses, delta)
        return found, jnp.conj(pull(jnp.ones_like(found))[0]), memory

    return Path((), ascend)


def _shape(data: SliceData) -> tuple[int, int]:
    """(ty, tx) of the target, to which images are cropped."""
    return data.target.shape[0], data.target.shape[1]


def _found(
    scan: Scan,
    data: SliceData,
    epsilon: Array,
    found: AttackResult,
    noise_key: Key,
    told: Callable[[Array], Array],
) -> Found:
    """Measure what an attack returned; it is not trusted to have stayed inside the set, so that it is projected."""
    allowed = scan.allowed(data, epsilon)
    delta = allowed.project(found.delta)

    def largest(parts: Array, limits: Array) -> Array:
        return jnp.max(jnp.where(limits > 0, parts / jnp.where(limits > 0, limits, 1.0), 0.0))

    share = largest(allowed.norm(delta), allowed.radius)
    share = jnp.where(share > _WHOLE, 1.0, share)
    clean = scan.measure(data, scan.nothing(data)).kspace
    change = scan.measure(data, delta).kspace - clean
    return Found(
        delta=delta,
        noise=share * allowed.random(noise_key),
        norm=largest(allowed.norm(delta), scan.allowed(data, jnp.ones((), jnp.float32)).radius),
        norm_kspace=l2_norm(change) / l2_norm(clean),
        share=share,
        overshoot=largest(allowed.norm(found.delta), allowed.radius),
        picture=image_crop(magnitude(Sense(data.maps, data.mask).adjoint(change)), _shape(data)),
        gradient_norm=found.gradient_norm,
        loss=told(found.loss),
        trace=told(found.trace),
        restarts=told(jnp.atleast_1d(found.restarts)),
    )
