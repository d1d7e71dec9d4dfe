"""The experiment: compose method, attack, threat and loss into functions of one slice, batched and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.harness.config import RunConfig
from bench.harness.prepare import SliceData
from jaxcs.attacks import ATTACKS, Threat, threat
from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.complex import l2_norm, magnitude
from jaxcs.fourier import centre_crop, ifft2c
from jaxcs.metrics import METRICS
from jaxcs.operators import Sense
from jaxcs.recon import Method
from jaxcs.types import Key, Measurement, Reconstructor

Scores = dict[str, Array]


class Found(NamedTuple):
    """What the attack found for one slice at one epsilon, and the control.

    delta and noise: the perturbations, both in the threat set.
    norm: the size of `delta` in the units of epsilon; norm_kspace: ||M e|| / ||M y||; both are measured.
    picture: (ny, nx) magnitude of A^H e.  gradient_norm: at the attack's first point.
    """

    delta: Array
    noise: Array
    norm: Array
    norm_kspace: Array
    picture: Array
    gradient_norm: Array


class Functions(NamedTuple):
    """Compiled functions of a batch of slices of one shape; each holds the method once, so that little is compiled.

    prepare: slices, keys -> parameters of the method that is searched on.
    search: slices, clean images, those parameters, epsilons, where to begin (zeros: at random), keys -> Found.
    evaluate: slices, perturbations (zeros: clean data), keys -> images, scores.
    """

    prepare: Callable[[SliceData, Array], Any]
    search: Callable[[SliceData, Array, Any, Array, Array, Array], Found]
    evaluate: Callable[[SliceData, Array, Array], tuple[Array, Scores]]


def build(
    config: RunConfig,
    params: Any,
    entry: Method,
    method_config: Any,
    attack: Any,
    calibration: tuple[int, int] | None,
) -> Functions:
    """Close over the static choices.

    attack: an Attack, or a JointAttack if `config.attack` is joint.  calibration: the region where maps are
    re-estimated.
    """
    method, joint = entry.build(method_config), ATTACKS[config.attack].sees == "objective"
    surrogate = entry.surrogate(method_config) if ATTACKS[config.attack].searches else None

    def to_kspace(data: SliceData, delta: Array) -> Array:
        return Sense(data.maps, data.mask).forward(delta) if config.norm == "image" else delta

    def measure(data: SliceData, delta: Array) -> Measurement:
        kspace = jnp.where(data.mask, data.kspace + to_kspace(data, delta), 0)
        maps = data.maps
        if config.maps == "reestimated":
            assert calibration is not None
            maps = espirit(kspace, calibration, EspiritConfig())
        return Measurement(kspace, data.mask, maps)

    def reconstruct(method: Reconstructor, params: Any, data: SliceData, delta: Array, key: Key) -> Array:
        image = method.apply(params, measure(data, delta), key)
        return centre_crop(image, (data.target.shape[0], data.target.shape[1]))

    def threat_set(data: SliceData, epsilon: Array) -> Threat:
        if config.norm == "image":
            # The truth's norm: of the images at hand the only one that no method has touched.
            return threat.image(epsilon, l2_norm(data.target), data.maps.shape[1:])
        return THREATS[config.norm](epsilon, data.kspace, data.mask)

    def prepare(data: SliceData, key: Key) -> Any:
        return params if surrogate is None else surrogate.start(measure(data, no_perturbation(config, data)), key)

    def search(data: SliceData, clean_image: Array, start: Any, epsilon: Array, begin: Array, key: Key) -> Found:
        start_key, attack_key, noise_key = jax.random.split(key, 3)
        allowed = threat_set(data, epsilon)
        reference = data.target if config.target == "truth" else clean_image

        searched = method if surrogate is None else surrogate.method

        def loss(delta: Array) -> Array:
            return distance(reconstruct(searched, start, data, delta, key), reference)

        if joint:
            assert entry.variational is not None
            problem = entry.variational(method_config)(measure(data, no_perturbation(config, data)), key)
            found = attack(attack_key, problem, lambda delta: measure(data, delta).kspace, ifft2c(data.kspace), allowed)
        else:
            begin = jnp.where(jnp.any(begin != 0), begin, allowed.random(start_key))
            found = attack(attack_key, loss, allowed, begin)
        # The attack is not trusted to have stayed inside the set; what is scored and stored is projected here.
        delta = allowed.project(found.delta)
        in_kspace = jnp.where(data.mask, to_kspace(data, delta), 0)
        unit = threat_set(data, jnp.ones(())).radius
        return Found(
            delta=delta,
            noise=allowed.random(noise_key),
            norm=jnp.max(jnp.where(unit > 0, allowed.norm(delta) / jnp.where(unit > 0, unit, 1.0), 0.0)),
            norm_kspace=l2_norm(in_kspace) / l2_norm(jnp.where(data.mask, data.kspace, 0)),
            picture=magnitude(Sense(data.maps, data.mask).adjoint(in_kspace)),
            gradient_norm=found.gradient_norm,
        )

    def evaluate(data: SliceData, delta: Array, key: Key) -> tuple[Array, Scores]:
        image = reconstruct(method, params, data, delta, key)
        scores = {name: metric(image, data.target, data.data_range) for name, metric in METRICS.items()}
        if entry.clamped is not None:
            scores["clamped"] = entry.clamped(method_config, measure(data, delta))
        return image, scores

    # A batch of networks with parameters of their own is a grouped convolution, which the CPU is slow at.
    one_by_one = entry.fitted and jax.default_backend() == "cpu"

    def batched(function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(
            (lambda *args: jax.lax.map(lambda one: function(*one), args)) if one_by_one else jax.vmap(function)
        )

    return Functions(batched(prepare), batched(search), batched(evaluate))


def no_perturbation(config: RunConfig, data: SliceData) -> Array:
    """Zeros shaped like a perturbation of one slice, or of a batch."""
    return jnp.zeros_like(data.maps[..., 0, :, :] if config.norm == "image" else data.kspace)


def distance(image: Array, reference: Array) -> Array:
    """||image - reference||^2 / ||reference||^2, what the attack maximises."""
    return jnp.sum((image - reference) ** 2) / jnp.sum(reference**2)


THREATS = {"measured": threat.measured, "kspace": threat.whole_kspace, "per_coil": threat.per_coil}
