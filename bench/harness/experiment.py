"""The experiment: compose method, attack, threat and loss into functions of one slice, batched and compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.harness.config import RunConfig
from bench.harness.prepare import SliceData
from jaxcs.attacks import Attack, Threat, threat
from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.complex import l2_norm, magnitude
from jaxcs.fourier import centre_crop
from jaxcs.metrics import METRICS
from jaxcs.operators import Sense
from jaxcs.types import Key, Measurement, Reconstructor

Scores = dict[str, Array]


class Outcome(NamedTuple):
    """What one slice gave at one epsilon.

    norm: the size of the perturbation in the units of epsilon, and norm_kspace: ||M e|| / ||M y||, both measured here.
    loss and noise_loss: what the attack maximises, for the attacked image and for the noise control.
    """

    delta: Array
    attacked_image: Array
    noise_image: Array
    perturbation_image: Array
    attacked: Scores
    noise: Scores
    norm: Array
    norm_kspace: Array
    loss: Array
    noise_loss: Array
    gradient_norm: Array


class Functions(NamedTuple):
    """Compiled functions of a batch of slices of one shape.

    clean: slices, keys -> images, scores.  start: slices, keys -> random starts.
    attack: slices, clean images, epsilon, starts, keys -> Outcome.
    """

    clean: Callable[[SliceData, Array], tuple[Array, Scores]]
    start: Callable[[SliceData, Array], Array]
    attack: Callable[[SliceData, Array, Array, Array, Array], Outcome]


def build(
    config: RunConfig, params: Any, method: Reconstructor, attack: Attack, calibration: tuple[int, int] | None
) -> Functions:
    """Close over the static choices; `calibration` is used where maps are re-estimated."""

    def measure(data: SliceData, delta: Array | None) -> Measurement:
        kspace = data.kspace if delta is None else data.kspace + to_kspace(data, delta)
        kspace = jnp.where(data.mask, kspace, 0)
        maps = data.maps
        if config.maps == "reestimated":
            assert calibration is not None
            maps = espirit(kspace, calibration, EspiritConfig())
        return Measurement(kspace, data.mask, maps)

    def to_kspace(data: SliceData, delta: Array) -> Array:
        return Sense(data.maps, data.mask).forward(delta) if config.norm == "image" else delta

    def reconstruct(data: SliceData, delta: Array | None, key: Key) -> Array:
        image = method.apply(params, measure(data, delta), key)
        return centre_crop(image, (data.target.shape[0], data.target.shape[1]))

    def threat_set(data: SliceData, epsilon: Array) -> Threat:
        if config.norm == "image":
            # The truth's norm: of the images at hand the only one that no method has touched.
            return threat.image(epsilon, l2_norm(data.target), data.maps.shape[1:])
        return THREATS[config.norm](epsilon, data.kspace, data.mask)

    def score(image: Array, data: SliceData) -> Scores:
        return {name: metric(image, data.target, data.data_range) for name, metric in METRICS.items()}

    def clean(data: SliceData, key: Key) -> tuple[Array, Scores]:
        image = reconstruct(data, None, key)
        return image, score(image, data)

    def start(data: SliceData, key: Key) -> Array:
        return threat_set(data, jnp.ones(())).random(key)

    def run(data: SliceData, clean_image: Array, epsilon: Array, begin: Array, key: Key) -> Outcome:
        attack_key, noise_key, method_key = jax.random.split(key, 3)
        allowed = threat_set(data, epsilon)
        reference = data.target if config.target == "truth" else clean_image

        def distance(image: Array) -> Array:
            return jnp.sum((image - reference) ** 2) / jnp.sum(reference**2)

        found = attack(attack_key, lambda e: distance(reconstruct(data, e, method_key)), allowed, begin)
        # The attack is not trusted to have stayed inside the set; what is scored and stored is projected here.
        delta = allowed.project(found.delta)
        attacked_image = reconstruct(data, delta, method_key)
        noise_image = reconstruct(data, allowed.random(noise_key), method_key)
        in_kspace = jnp.where(data.mask, to_kspace(data, delta), 0)
        unit = threat_set(data, jnp.ones(())).radius
        return Outcome(
            delta=delta,
            attacked_image=attacked_image,
            noise_image=noise_image,
            perturbation_image=magnitude(Sense(data.maps, data.mask).adjoint(in_kspace)),
            attacked=score(attacked_image, data),
            noise=score(noise_image, data),
            norm=jnp.max(jnp.where(unit > 0, allowed.norm(delta) / jnp.where(unit > 0, unit, 1.0), 0.0)),
            norm_kspace=l2_norm(in_kspace) / l2_norm(jnp.where(data.mask, data.kspace, 0)),
            loss=distance(attacked_image),
            noise_loss=distance(noise_image),
            gradient_norm=found.gradient_norm,
        )

    return Functions(
        clean=jax.jit(jax.vmap(clean)),
        start=jax.jit(jax.vmap(start)),
        attack=jax.jit(jax.vmap(run, in_axes=(0, 0, None, 0, 0))),
    )


THREATS = {"measured": threat.measured, "kspace": threat.whole_kspace, "per_coil": threat.per_coil}


def flags(outcome: Outcome, epsilon: float) -> list[str]:
    """Reasons not to believe the attacked number of a single slice."""
    if epsilon == 0:
        return []
    found = []
    if float(outcome.gradient_norm) == 0:
        found.append("zero gradient")
    if float(outcome.loss) <= float(outcome.noise_loss):
        found.append("below noise")
    return found
