"""The main functions with networks, a line each."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from bench import train
from bench.training import step
from bench.training.examples import Batch
from jaxcs.recon import METHODS
from tests.accelerators.scans import KEY, Case, Job, Scan, attack


def training(name: str, **settings: Any) -> Case:
    """A step of a training with all slices as one batch."""

    def job(scan: Scan) -> Job:
        arguments = train.parser().parse_args(["--method", name, "--batch", str(scan.batch)])
        entry = METHODS[name]
        method = entry.build(entry.config(**settings))
        functions = step.build(train.configuration(arguments), method)
        params = jax.eval_shape(method.init, KEY)
        state = step.State(params, jax.eval_shape(lambda params: functions.init(params).optimiser, params))
        target, nothing = scan.data.target, scan.array()
        batch = scan.of_batch(Batch(scan.kspace, scan.mask, target, nothing), always=True)
        one_part = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), batch)
        return functions.step, (state, one_part, KEY)

    return Case(job, exact=False)


def fit(name: str, **settings: Any) -> Case:
    """A network that is fitted to each slice, from its measurement to its image."""

    def job(scan: Scan) -> Job:
        entry = METHODS[name]
        method = entry.build(entry.config(**settings))
        params = jax.eval_shape(method.init, KEY)
        function, arguments = scan.batched(
            lambda measurement, key: method.apply(jax.tree.map(jnp.zeros_like, params), measurement, key),
            scan.measurement,
            KEY,
        )
        return function, arguments

    return Case(job, exact=False)


# Small networks of few levels compile fast, and have each form of a layer.
_COUNTED: dict[str, Case] = {
    "attack on unet": attack("unet", exact=False, channels=4, pools=2),
    "training of unet": training("unet", channels=4, pools=2),
}

# These are lowered alone in the tests.
_LOWERED: dict[str, Case] = {
    "attack on varnet": attack("varnet", exact=False, cascades=2, channels=4, pools=2, sens_channels=4, sens_pools=2),
    "training of varnet": training("varnet", cascades=2, channels=4, pools=2, sens_channels=4, sens_pools=2),
    "fit of convdecoder": fit("convdecoder", n_steps=40),
    "fit of ttt_unet": fit("ttt_unet", n_steps=80, channels=4, pools=2),
}

NETWORKS: dict[str, Case] = _COUNTED | {name: case._replace(compiled=False) for name, case in _LOWERED.items()}

# Networks of the publications, which take minutes to lower and to compile; `counted` counts those that are named.
FULL: dict[str, Case] = {
    "attack on unet u1": attack("unet", steps=20, exact=False, crop=(320, 320)),
    "attack on varnet v1": attack("varnet", steps=20, exact=False),
    "training of unet u1": training("unet"),
    "fit of convdecoder, whole": fit("convdecoder"),
}
