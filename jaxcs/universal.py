"""Universal perturbations: a single direction that harms many slices (Moosavi-Dezfooli et al., CVPR 2017).

An attacker who does not know the slice beforehand has a single perturbation for all.  The slices share the grid of
k-space and the number of coils.  Each slice gets the part of the direction that its mask measures, scaled to the
largest size that its own threat set allows.  Epsilon is therefore relative to each slice, as in every other attack, and
the numbers stand beside those of attacks on single slices.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks import apgd
from jaxcs.attacks.base import AttackResult, Path
from jaxcs.goal import Goal, objective
from jaxcs.recon import Method
from jaxcs.recon.staged import stages_of
from jaxcs.threats.balls import Threat
from jaxcs.threats.scan import Scan
from jaxcs.types import Key, SliceData


def applied(scan: Scan, data: SliceData, direction: Array, epsilon: Array) -> Array:
    """Return the perturbation of one slice: the direction, scaled onto the boundary of the slice's threat set.

    Args:
        scan: the threat.
        data: the slice.
        direction: the universal direction, shaped like a perturbation of the slice.
        epsilon: size of the perturbation.
    """
    return scan.allowed(data, epsilon).boundary(direction)


def fit(
    goal: Goal,
    params: Any,
    method: Method,
    method_config: Any,
    scan: Scan,
    slices: SliceData,
    epsilon: Array,
    key: Key,
    config: apgd.Config,
) -> AttackResult:
    """Find the direction that maximises the mean loss over slices, each in the units of the loss.

    Memory is that of a gradient of one slice; a slice follows another.

    Args:
        goal: the loss; its target is the truth, and SSIM has no bound.
        params: parameters of the method.
        method: the method.
        method_config: its configuration.
        scan: a threat that is added to the data.
        slices: the slices, stacked along the first axis of every leaf.
        epsilon: size of the perturbation of each slice.
        key: random key.
        config: settings of the attack, Auto-PGD.

    Returns:
        The result of the attack; its `delta` is the direction, and its losses are means over slices.

    Raises:
        ValueError: If the threat changes the scan, the target is not the truth, SSIM is bounded, or the method is
            fitted to each slice.
    """
    if not scan.additive or goal.target != "truth" or goal.stealth is not None:
        raise ValueError("universal.fit: needs noise, the truth as target, and no bound on SSIM")
    if method.fitted:
        raise ValueError("universal.fit: needs a method that is not fitted to each slice")
    # What the attack sees of the method, as in `jaxcs.evaluate`.
    surrogate = method.surrogate(method_config)
    stages = stages_of(method.build(method_config) if surrogate is None else surrogate.method)
    start_key, method_key = jax.random.split(key)

    def begun(data: SliceData) -> Any:
        return (
            params if surrogate is None else surrogate.start(params, scan.measure(data, scan.nothing(data)), method_key)
        )

    def prepared(data: SliceData) -> Any:
        return stages.prepare(begun(data), data.maps, data.mask)

    staged = jax.lax.map(prepared, slices)

    def loss(direction: Array, one: tuple[SliceData, Any]) -> Array:
        data, known = one
        aim, delta = objective(goal, scan, data, data.target), applied(scan, data, direction, epsilon)
        image = stages.solve(begun(data), known, scan.measure(data, delta), method_key).image
        return aim.value(jnp.sum(aim.rows(image, delta)))

    def ascend(direction: Array, memory: Any) -> tuple[Array, Array, Any]:
        values, gradients = jax.lax.map(
            lambda one: jax.value_and_grad(partial(loss, one=one))(direction), slices_staged
        )
        return jnp.mean(values)[None], jnp.conj(jnp.mean(gradients, axis=0)), memory

    slices_staged = (slices, staged)
    ball = scan.allowed(jax.tree.map(lambda leaf: leaf[0], slices), epsilon)
    # What no slice measures is in no perturbation.
    support = jnp.any(jax.lax.map(lambda data: scan.allowed(data, epsilon).support, slices), axis=0)
    directions = Threat(jnp.ones((), jnp.float32), support, ball.real)
    return apgd.build(config)(start_key, Path((), ascend), directions)
