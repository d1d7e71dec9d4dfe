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


OPERATORS: dict[str, Case] = {
    "zero_filled": reconstruction("zero_filled"),
    "sense": reconstruction("sense"),
    "sense by cg": reconstruction("sense", solver="cg"),
    "sense, worst case": Case(
        lambda scan: scan.batched(partial(sense.worst_case, sense.Config()), scan.kspace, scan.mask)
    ),
    "l1": reconstruction("l1"),
    "l1 by pogm": reconstruction("l1", solver="pogm"),
    "l1, early stopped": Case(reconstruction("l1", solver="fista", tolerance=0.0, n_iters=60).job),
    "l1, 4 shifts": Case(reconstruction("l1", shifts=4).job, compiled=False),
    "l1, dct": Case(reconstruction("l1", basis="dct").job, compiled=False),
    "tv": reconstruction("tv"),
    "tv by primal_dual": Case(reconstruction("tv", solver="primal_dual").job, compiled=False),
    "l1, inverse": prepared("l1"),
    "attack on l1": attack("l1"),
    "attack on tv": attack("tv"),
    "attack on sense": attack("sense"),
    "attack on l1 by pogm": attack("l1", "apgd", compiled=False, solver="pogm"),
    "attack on sense, maps anew": attack("sense", "apgd", maps="reestimated", compiled=False, solver="cg"),
    "espirit": Case(lambda scan: scan.batched(_maps, scan.kspace)),
    "espirit, gradient": Case(_maps_gradient),
    "wavelets": Case(lambda scan: scan.batched(Wavelet("db4", 4).forward, scan.array(scan.ny, scan.nx))),
    "wavelets, adjoint": Case(lambda scan: scan.batched(Wavelet("db4", 4).adjoint, scan.array(scan.ny, scan.nx))),
    "dct": Case(lambda scan: scan.batched(DCT().forward, scan.array(scan.ny, scan.nx))),
    "normal": Case(
        lambda scan: scan.batched(
            lambda maps, mask, x: Sense(maps, mask).normal(x), scan.kspace, scan.mask, scan.array(scan.ny, scan.nx)
        )
    ),
    "metrics": Case(lambda scan: scan.batched(_metrics, scan.image, scan.image, NUMBER)),
    "ssim, gradient": Case(lambda scan: scan.batched(jax.grad(METRICS["ssim"]), scan.image, scan.image, NUMBER)),
    "noise": Case(
        lambda scan: scan.batched(lambda kspace, mask: noise_factor(kspace, mask, (0, scan.nx)), scan.kspace, scan.mask)
    ),
    "compression": Case(
        lambda scan: scan.batched(lambda kspace: compress(kspace, compression_matrix(kspace, 3)), scan.kspace)
    ),
}

CASES = OPERATORS | NETWORKS
