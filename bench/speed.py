"""Time the parts that decide how long a run takes, and print JSON: python -m bench.speed.

Every figure is the median over interleaved repetitions after one warm-up, on random data of the given size (15 coils of
640 x 368 by default, a fastMRI knee slice), with its smallest and largest value beside it.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from argparse import ArgumentDefaultsHelpFormatter
from collections.abc import Callable

from bench.harness.arguments import Parser, integer, one_of
from bench.harness.errors import RunError
from bench.harness.networks_speed import CASES, compare


def main(argv: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    parser = Parser(prog="python -m bench.speed", description=__doc__, formatter_class=ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--shape", type=integer(8), nargs=3, default=[15, 640, 368], metavar="N", help="coils, rows, columns"
    )
    parser.add_argument("--iterations", type=integer(1), default=100, metavar="N", help="of FISTA")
    parser.add_argument(
        "--networks",
        type=one_of(tuple(CASES)),
        nargs="+",
        metavar="NAME",
        help="time instead a step on these networks, beside PyTorch's where that is installed: " + ", ".join(CASES),
    )
    parser.add_argument("--repetitions", type=integer(1), default=5, metavar="N", help="counted runs of each")
    try:
        arguments = parser.parse_args(argv)
    except RunError as error:
        print(f"bench.speed: error: {error}", file=sys.stderr)
        return error.exit_code
    from bench.harness import provenance  # imports JAX

    if arguments.networks:
        found = compare(arguments.networks, arguments.repetitions)
        found |= {"device": provenance.device(), "versions": provenance.versions()}
        print(json.dumps(found, indent=2))
        return 0
    work = _work(tuple(arguments.shape), arguments.iterations)
    seconds: dict[str, list[float]] = {name: [] for name in work}
    compiled = {name: _timed(run) for name, run in work.items()}
    for _ in range(arguments.repetitions):
        for name, run in work.items():
            seconds[name].append(_timed(run))
    report = {
        "shape": dict(zip(("coils", "rows", "columns"), arguments.shape, strict=True)),
        "fista_iterations": arguments.iterations,
        "seconds": {
            name: {
                "median": statistics.median(times),
                "smallest": min(times),
                "largest": max(times),
                "first_call_with_compilation": compiled[name],
            }
            for name, times in seconds.items()
        },
        "device": provenance.device(),
        "versions": provenance.versions(),
    }
    print(json.dumps(report, indent=2))
    return 0


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _work(shape: tuple[int, int, int], iterations: int) -> dict[str, Callable[[], object]]:
    """What is timed; each call ends when its result is there."""
    import jax
    import jax.numpy as jnp

    from jaxcs import masks
    from jaxcs.coils.espirit import EspiritConfig, espirit
    from jaxcs.operators import Sense, Wavelet
    from jaxcs.recon import l1, normalise
    from jaxcs.types import Measurement

    random = jax.random.normal(jax.random.key(0), (2, *shape), jnp.complex64)
    maps = random[0] / jnp.linalg.norm(random[0], axis=0)
    mask = jnp.asarray(masks.random(shape[2], 4, 0.08, 0))
    measurement, _ = normalise(Measurement(jnp.where(mask, random[1], 0), mask, maps))
    sense = Sense(maps, mask)
    image = sense.adjoint(measurement.kspace)
    config = l1.Config(n_iters=iterations)
    wavelet = Wavelet(config.wavelet, l1.wavelet_grid(config, shape[1:])[0])
    reconstruct = l1.build(config).apply
    normal = jax.jit(Sense.normal)
    there_and_back = jax.jit(lambda w, x: w.adjoint(w.forward(x)))
    padded = jnp.zeros(l1.wavelet_grid(config, shape[1:])[1], jnp.complex64)

    @jax.jit
    def attack_step(measurement: Measurement, target: jax.Array) -> jax.Array:
        def loss(kspace: jax.Array) -> jax.Array:
            image = reconstruct({}, measurement._replace(kspace=kspace), jax.random.key(0))
            return jnp.sum((image - target) ** 2)

        return jax.grad(loss)(measurement.kspace)

    target = jnp.zeros(shape[1:])
    ready = jax.block_until_ready
    return {
        "normal operation": lambda: ready(normal(sense, image)),
        "wavelet there and back": lambda: ready(there_and_back(wavelet, padded)),
        "fista": lambda: ready(reconstruct({}, measurement, jax.random.key(0))),
        "l1 attack step": lambda: ready(attack_step(measurement, target)),
        "espirit": lambda: ready(espirit(measurement.kspace, (24, 24), EspiritConfig())),
    }


if __name__ == "__main__":
    sys.exit(main())
