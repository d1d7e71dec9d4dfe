"""Time and peak memory of a step on the networks, ours and PyTorch's, each in its own process.

An attack step (the gradient in the data) on U-Net and VarNet, beside the `fastmri` package's; a step of ConvDecoder's
fit.

The processes take turns, so that a busy machine slows all alike; a process of its own makes peak memory its own.  A
turn begins with a run that does not count, because memory comes back from the other slowly: 10.9 s, then 6.2, on the
largest.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

# Steps of a fit that are timed together, in the loop in which they run.
_FIT_STEPS = 4
# Name: (method, variant of the paper or channels, shape of the image or of the k-space).
CASES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "unet": ("unet", "u1", (1, 320, 320)),
    "varnet-small": ("varnet", "v5", (8, 256, 256)),
    "varnet-full": ("varnet", "v1", (15, 640, 368)),
    "convdecoder-small": ("convdecoder", "64", (8, 160, 160)),
    "convdecoder-paper": ("convdecoder", "256", (15, 640, 368)),
}


def compare(names: list[str], repetitions: int) -> dict[str, Any]:
    """Seconds (median, smallest, largest) and peak memory [bytes] of each, by case and by whose it is."""
    makers = {"jaxcs": _OURS}
    if all(importlib.util.find_spec(package) for package in ("torch", "fastmri")):
        makers["fastmri"] = _THEIRS
    else:
        print("bench.speed: PyTorch and fastmri are not installed here; only jaxcs is timed", file=sys.stderr)
    report: dict[str, Any] = {}
    for name in names:
        context = multiprocessing.get_context("spawn")
        workers = {}
        for who, of_method in makers.items():
            make = of_method[CASES[name][0]]
            mine, other = context.Pipe()
            process = context.Process(target=_serve, args=(make, name, other), daemon=True)
            process.start()
            other.close()
            workers[who] = (process, mine, mine.recv())  # its first run, with compilation
        seconds: dict[str, list[float]] = {who: [] for who in workers}
        for _ in range(repetitions):
            for who, (_, connection, _) in workers.items():
                connection.send("run")
                seconds[who].append(connection.recv())
        report[name] = {}
        for who, (process, connection, first) in workers.items():
            connection.send("memory")
            report[name][who] = {
                "median_s": statistics.median(seconds[who]),
                "smallest_s": min(seconds[who]),
                "largest_s": max(seconds[who]),
                "first_call_s": first,
                "peak_memory_bytes": connection.recv(),
            }
            process.join()
        if "fastmri" in report[name]:
            ours, theirs = report[name]["jaxcs"], report[name]["fastmri"]
            ratios = [t / o for t, o in zip(seconds["fastmri"], seconds["jaxcs"], strict=True)]
            report[name]["times_faster"] = statistics.median(ratios)
            report[name]["share_of_memory"] = ours["peak_memory_bytes"] / theirs["peak_memory_bytes"]
    return report


def _serve(make: Callable[[str], Callable[[], object]], name: str, connection: Connection) -> None:
    run = make(name)
    connection.send(_timed(run))
    while connection.recv() == "run":
        run()
        connection.send(_timed(run))
    # Kibibytes on Linux.
    connection.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _input(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The same for both: random data and a mask of every fourth column and a centre of 8 %."""
    shape = CASES[name][2]
    x = np.random.default_rng(0).normal(size=(*shape, 2)).astype(np.float32)
    columns = np.arange(shape[-1])
    return x, (columns % 4 == 0) | (np.abs(columns - shape[-1] // 2) < 0.04 * shape[-1])


def _our_attack(name: str) -> Callable[[], object]:
    import jax
    import jax.numpy as jnp

    from jaxcs.nets.unet import unet
    from jaxcs.nets.varnet import varnet
    from jaxcs.recon import METHODS

    method, variant, _ = CASES[name]
    config = METHODS[method].presets[variant]
    x, mask = _input(name)
    if method == "unet":
        net = unet(1, 1, config.channels, config.pools)
        image = jnp.asarray(x[0, ..., :1])
        gradient = jax.jit(jax.grad(lambda image, params: jnp.sum(net.apply(params, image) ** 2)))
        params = net.init(jax.random.key(0))
        return lambda: jax.block_until_ready(gradient(image, params))
    net = varnet(config.cascades, config.channels, config.pools, config.sens_channels, config.sens_pools, 0)
    kspace = jnp.asarray(x[..., 0] + 1j * x[..., 1])
    step = jax.jit(jax.grad(lambda kspace, params: jnp.sum(net.apply(params, kspace, jnp.asarray(mask)) ** 2)))
    params = net.init(jax.random.key(0))
    return lambda: jax.block_until_ready(step(kspace, params))


def _their_attack(name: str) -> Callable[[], object]:
    import torch
    from fastmri.models.unet import Unet  # type: ignore[import-not-found]
    from fastmri.models.varnet import VarNet  # type: ignore[import-not-found]

    from jaxcs.recon import METHODS

    method, variant, _ = CASES[name]
    config = METHODS[method].presets[variant]
    x, mask = _input(name)
    if method == "unet":
        net = Unet(1, 1, config.channels, config.pools).eval().requires_grad_(False)
        leaf = torch.tensor(x[None, ..., 0], requires_grad=True)

        def evaluate() -> Any:
            return net(leaf)
    else:
        net = VarNet(config.cascades, config.sens_channels, config.sens_pools, config.channels, config.pools)
        net = net.eval().requires_grad_(False)
        leaf, columns = torch.tensor(x[None], requires_grad=True), torch.tensor(mask)[None, None, None, :, None]

        def evaluate() -> Any:
            return net(torch.where(columns, leaf, torch.zeros(())), columns)

    def step() -> None:
        leaf.grad = None
        (evaluate() ** 2).sum().backward()

    return step


def _our_fit(name: str) -> Callable[[], object]:
    """Steps of Adam on mean |M F G(C, z) - y|^2, the published network but for its channels."""
    from dataclasses import replace

    import jax
    import jax.numpy as jnp
    import optax

    from jaxcs.complex import abs2
    from jaxcs.recon import convdecoder
    from jaxcs.solvers.fit import fit

    x, mask = _input(name)
    config = replace(convdecoder.PRESETS["paper"], channels=int(CASES[name][1]))
    net = convdecoder.network(config, (x.shape[1], x.shape[2]), 2 * len(x))
    z = net.draw_input(jax.random.key(0))

    def losses(kspace: Any, params: Any) -> Any:
        y = net.apply(params, z)
        drawn = jnp.fft.fft2(jnp.moveaxis(y[..., 0::2] + 1j * y[..., 1::2], -1, 0), norm="ortho")
        loss = jnp.mean(jnp.asarray(mask) * abs2(drawn - kspace))
        return loss, loss

    step = jax.jit(lambda kspace, params: fit(losses, kspace, params, optax.adam(0.008), _FIT_STEPS).losses)
    kspace, params = jnp.asarray(x[..., 0] + 1j * x[..., 1]), net.init(jax.random.key(0))
    return lambda: jax.block_until_ready(step(kspace, params))


def _their_fit(name: str) -> Callable[[], object]:
    """The same in PyTorch, in its own order of axes."""
    import torch

    from jaxcs.nets.conv_decoder import size_schedule
    from jaxcs.recon.convdecoder import PRESETS

    x, mask = _input(name)
    channels, paper = int(CASES[name][1]), PRESETS["paper"]
    layers: list[Any] = []
    for size in (*size_schedule((paper.in_rows, paper.in_columns), (x.shape[1], x.shape[2]), paper.layers), None):
        layers += [torch.nn.Upsample(size, mode="nearest")] if size else []
        convolution = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        layers += [convolution, torch.nn.ReLU(), torch.nn.BatchNorm2d(channels)]
    network = torch.nn.Sequential(*layers, torch.nn.Conv2d(channels, 2 * len(x), 1, bias=False))
    optimiser = torch.optim.Adam(network.parameters(), lr=0.008)
    z = torch.rand(1, channels, paper.in_rows, paper.in_columns)
    kspace, columns = torch.view_as_complex(torch.tensor(x)), torch.tensor(mask)

    def run() -> None:
        for _ in range(_FIT_STEPS):
            optimiser.zero_grad()
            y = network(z)[0]
            drawn = torch.fft.fft2(torch.complex(y[0::2], y[1::2]), norm="ortho")
            (columns * (drawn - kspace).abs() ** 2).mean().backward()
            optimiser.step()

    return run


# By method, what makes the step that is timed.
_OURS = {"unet": _our_attack, "varnet": _our_attack, "convdecoder": _our_fit}
_THEIRS = {"unet": _their_attack, "varnet": _their_attack, "convdecoder": _their_fit}
