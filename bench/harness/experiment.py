"""The experiment: compose method, attack, threat and loss into functions of one slice, batched and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array

from bench.harness.config import RunConfig
from bench.harness.conventions import CONVENTIONS, crop
from bench.harness.prepare import SliceData
from bench.harness.scan import Scan
from jaxcs.attacks import ATTACKS
from jaxcs.attacks.base import AttackResult, squared_norm
from jaxcs.complex import l2_norm, magnitude
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.metrics import METRICS
from jaxcs.operators import Sense
from jaxcs.recon import Method
from jaxcs.types import Key, Reconstructor

Scores = dict[str, Array]
# What is at least this share of its allowed size counts as all of it: the noise is then of the whole size, a little
# larger than the perturbation, and one control serves all attacks of this size.
_WHOLE = 0.99


class Found(NamedTuple):
    """What the attack found for one slice at one epsilon, and the control.

    delta and noise: the perturbations, both in the threat set and of one size.
    norm: the size of `delta` in the units of epsilon; norm_kspace: the change of M y, relative to it; both measured.
    share: size of delta over the largest allowed.  overshoot: that of the attack's own result, before its projection.
    picture: (ty, tx) magnitude of A^H of the change of M y, cropped as images are.
    gradient_norm: at the attack's first point.
    loss, trace, restarts: as in `AttackResult`, relative to the squared norm of the reference.
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
    """One reconstruction: the image, what it should be, and how it scores."""

    image: Array
    truth: Array
    scores: Scores


class Functions(NamedTuple):
    """Compiled functions of a batch of slices of one shape; each holds the method once, so that little is compiled.

    prepare: slices, keys -> parameters of the method that is searched on.
    searches: by the attack's name; slices, clean images, those parameters, epsilons, where to begin (zeros: at random),
        keys -> Found.
    evaluate: slices, perturbations, keys -> Evaluated.
    """

    prepare: Callable[[SliceData, Array], Any]
    searches: dict[str, Callable[[SliceData, Array, Any, Array, Array, Array], Found]]
    evaluate: Callable[[SliceData, Array, Array], Evaluated]


class Search(NamedTuple):
    """An attack as the registry names it, with its configuration."""

    name: str
    config: Any


def build(
    config: RunConfig,
    params: Any,
    entry: Method,
    method_config: Any,
    searches: dict[str, Search],
    scan: Scan,
    mesh: Mesh | None = None,
) -> Functions:
    """Close over the static choices; searches: the attack, and those that it is checked by.

    mesh: devices among which the slices of a batch are dealt out evenly, or None for one.
    """
    method, surrogate = entry.build(method_config), entry.surrogate(method_config)
    aimed = config.region if config.aim == "region" else None

    def reconstruct(method: Reconstructor, params: Any, data: SliceData, delta: Array, key: Key) -> Array:
        image = method.apply(params, scan.measure(data, delta), key)
        return image_crop(image, _shape(data))

    def prepare(data: SliceData, key: Key) -> Any:
        return params if surrogate is None else surrogate.start(params, scan.measure(data, scan.nothing(data)), key)

    def search_by(search: Search) -> Callable[..., Found]:
        attack, kind = ATTACKS[search.name].build(search.config), ATTACKS[search.name]
        searched = method if surrogate is None or not kind.searches else surrogate.method

        def run(data: SliceData, clean: Array, start: Any, epsilon: Array, begin: Array, key: Key) -> Found:
            start_key, attack_key, noise_key = jax.random.split(key, 3)
            allowed = scan.allowed(data, epsilon)

            def residual(delta: Array) -> Array:
                reference = scan.truth(data, delta) if config.target == "truth" else clean
                image = reconstruct(searched, start if kind.searches else params, data, delta, key)
                return crop(image - reference, aimed)

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
                # Published protocols begin as published.
                warm = kind.warm_starts and config.like is None
                begin = jnp.where(jnp.any(begin != 0), begin, allowed.random(start_key))
                seen = residual if kind.sees == "residual" else squared_norm(residual)
                found = attack(attack_key, seen, allowed, begin if warm else None)
            reference = data.target if config.target == "truth" else clean
            return _found(scan, data, epsilon, found, noise_key, jnp.sum(crop(reference, aimed) ** 2))

        return run

    def evaluate(data: SliceData, delta: Array, key: Key) -> Evaluated:
        image, truth = reconstruct(method, params, data, delta, key), scan.truth(data, delta)
        seen = crop(image, config.region), crop(truth, config.region)
        scores = {name: metric(*seen, data.data_range) for name, metric in METRICS.items()}
        for name, score in CONVENTIONS.get(config.like or "", {}).items():
            scores[name] = score(image, truth, config.region)
        if entry.clamped is not None:
            scores["clamped"] = entry.clamped(method_config, scan.measure(data, delta))
        return Evaluated(image, truth, scores)

    # A batch of networks with parameters of their own is a grouped convolution, which the CPU is slow at.
    one_by_one = entry.fitted and jax.default_backend() == "cpu"

    def batched(function: Callable[..., Any]) -> Callable[..., Any]:
        many = (lambda *args: jax.lax.map(lambda one: function(*one), args)) if one_by_one else jax.vmap(function)
        if mesh is None:
            return jax.jit(many)
        # Slices have nothing to do with each other: each device computes its own, and nothing is sent.
        slices = PartitionSpec(mesh.axis_names)
        return jax.jit(jax.shard_map(many, mesh=mesh, in_specs=slices, out_specs=slices, check_vma=False))

    return Functions(
        batched(prepare), {name: batched(search_by(search)) for name, search in searches.items()}, batched(evaluate)
    )


def _shape(data: SliceData) -> tuple[int, int]:
    """(ty, tx) of the target, to which images are cropped."""
    return data.target.shape[0], data.target.shape[1]


def _found(scan: Scan, data: SliceData, epsilon: Array, found: AttackResult, noise_key: Key, reference: Array) -> Found:
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
        loss=found.loss / reference,
        trace=found.trace / reference,
        restarts=jnp.atleast_1d(found.restarts) / reference,
    )
