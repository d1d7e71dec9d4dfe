"""The main functions, a line each; `network_cases.py` has those with networks."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp

from jaxcs.coils.background import noise_factor
from jaxcs.coils.compress import compress, compression_matrix
from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.metrics import METRICS
from jaxcs.operators import DCT, Sense, Wavelet
from jaxcs.recon import sense
from tests.accelerators.network_cases import NETWORKS
from tests.accelerators.scans import NUMBER, Case, Job, Scan, attack, prepared, reconstruction

# A batch of fastMRI's knees.  Nothing is computed, so that the size costs nothing.
SIZE = Scan(15, 640, 368, batch=16)


def _maps(kspace: jax.Array) -> jax.Array:
    return espirit(kspace, (24, 24), EspiritConfig())


def _maps_gradient(scan: Scan) -> Job:
    def loss(kspace: jax.Array) -> jax.Array:
        return jnp.sum(jnp.abs(_maps(kspace)) ** 4)

    return scan.batched(jax.grad(loss), scan.kspace)


def _metrics(image: jax.Array, target: jax.Array, data_range: jax.Array) -> dict[str, jax.Array]:
    return {name: metric(image, target, data_range) for name, metric in METRICS.items()}


def _normal(maps: jax.Array, mask: jax.Array, x: jax.Array) -> jax.Array:
    return Sense(maps, mask).normal(x)


def _worst_case(maps: jax.Array, mask: jax.Array) -> sense.WorstCase:
    return sense.worst_case(sense.Config(), maps, mask)


def _compressed(kspace: jax.Array) -> jax.Array:
    return compress(kspace, compression_matrix(kspace, 3))


# Kernels of these are counted in every run of the tests.
COUNTED: dict[str, Case] = {
    "zero_filled": reconstruction("zero_filled"),
    "sense": reconstruction("sense"),
    "sense by cg": reconstruction("sense", solver="cg"),
    "l1": reconstruction("l1"),
    "l1, early stopped": reconstruction("l1", solver="fista", tolerance=0.0, n_iters=60),
    "tv": reconstruction("tv"),
    "attack on l1": attack("l1"),
    "espirit": Case(lambda scan: scan.batched(_maps, scan.kspace)),
    "normal": Case(lambda scan: scan.batched(_normal, scan.kspace, scan.mask, scan.complex_image)),
    "wavelets": Case(lambda scan: scan.batched(Wavelet("db4", 4).forward, scan.complex_image)),
    "wavelets, adjoint": Case(lambda scan: scan.batched(Wavelet("db4", 4).adjoint, scan.complex_image)),
    "metrics": Case(lambda scan: scan.batched(_metrics, scan.image, scan.image, NUMBER)),
    "ssim, gradient": Case(lambda scan: scan.batched(jax.grad(METRICS["ssim"]), scan.image, scan.image, NUMBER)),
    "noise": Case(lambda scan: scan.batched(partial(noise_factor, padding=(0, scan.nx)), scan.kspace, scan.mask)),
}

# These are lowered in the tests, and counted by the command if they are named.
LOWERED: dict[str, Case] = {
    "sense, worst case": Case(lambda scan: scan.batched(_worst_case, scan.kspace, scan.mask)),
    "l1 by pogm": reconstruction("l1", solver="pogm"),
    "l1, 4 shifts": reconstruction("l1", shifts=4),
    "l1, dct": reconstruction("l1", basis="dct"),
    "l1, inverse": prepared("l1"),
    "tv by primal_dual": reconstruction("tv", solver="primal_dual"),
    "attack on l1 at 5 epsilons": attack("l1", epsilons=5),
    "attack on tv": attack("tv"),
    "attack on sense": attack("sense"),
    "attack on l1 by pogm": attack("l1", "apgd", solver="pogm"),
    "attack on sense, maps anew": attack("sense", "apgd", maps="reestimated", solver="cg"),
    "espirit, gradient": Case(_maps_gradient),
    "dct": Case(lambda scan: scan.batched(DCT().forward, scan.complex_image)),
    "compression": Case(lambda scan: scan.batched(_compressed, scan.kspace)),
}

OPERATORS = COUNTED | {name: case._replace(compiled=False) for name, case in LOWERED.items()}
CASES = OPERATORS | NETWORKS
