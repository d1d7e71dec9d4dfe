"""Memory and time of a run, estimated before anything is compiled."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bench.evaluate.experiment import Search
from bench.evaluate.subjects import Subject, gradients
from bench.run.executor import Work
from bench.run.parallel import workers
from jaxcs.coils.espirit import EspiritConfig, kernel_for
from jaxcs.keys import new_key
from jaxcs.operators.row_inverse import inverse_bytes
from jaxcs.recon import Method
from jaxcs.recon.defence import DefenceConfig
from jaxcs.recon.staged import stages_of
from jaxcs.solvers.fit import ADJOINT_ITERATIONS
from jaxcs.types import Key, Measurement

_COMPLEX_BYTES = 8
# JAX, its compiled code and the host's copies.
_BASE_MEMORY = 800e6
# k-space-sized arrays that live at once in an attack step: data, maps, perturbations, gradient, transforms.
_LIVE_ARRAYS = 20
# Matrices of ESPIRiT that live at once: XLA holds three, and LAPACK needs room beside them.
_LIVE_MATRICES = 5
# The cost of a solver's iteration, in units of the two Fourier transforms of all coils that it needs at least.
_ITERATION_COST = 2.0
# Iterations that a converged solver takes under attack, and iterations of a gradient in a search that goes on from the
# gradient before it.
_UNTIL_CONVERGED, _FOLLOWED = 250, 40
# A solver by rows reads its matrices once an iteration; transforms and thresholds take so many seconds a pixel.
_BYTES_PER_SECOND, _PER_PIXEL = 1.6e10, 5e-8
_POINTS = 2**17
# Multiplications per second of all cores together, if channels are few.  Compilation of a network takes longer than a
# pass of it.
_MULTIPLICATIONS_PER_SECOND, _NETWORK_COMPILE_SECONDS = 1.0e10, 30.0
# Additions and multiplications per second of a fit; and the cost of a step that is differentiated, in plain steps.
_OPERATIONS_PER_SECOND, _THROUGH_STEP = 1.5e11, 5
# Import, compilation for one shape, figure and report.
_FIXED_SECONDS, _COMPILE_SECONDS, _SECONDS_PER_IMAGE = 5.0, 12.0, 0.5


def estimate(shapes: list[tuple[int, int, int]], work: Work) -> tuple[float, float]:
    """Estimate peak memory [bytes] and time [s] of a run, each within a factor of about two."""
    live, computed, compiled = 0.0, 0.0, 0.0
    for victim in work.victims:
        passes = getattr(victim.method_config, "passes", 1)
        one = _without_defence(victim)
        cost = _cost_of(one.method)
        attacks = [victim.attack, *victim.checks.values()] if victim in work.sources else []
        sources = [source for source in work.sources if victim in work.scored_under(source)]
        sizes = sum(eps > 0 for eps in work.config.eps)
        # Clean; and under each source's perturbations, and under noise, at each size.
        scored = 1 + sizes * (len(sources) + 1)
        cost_live, cost_time, cost_compile = cost(shapes, work, one, [(attack, sizes) for attack in attacks], scored)
        live, computed, compiled = max(live, cost_live), computed + passes * cost_time, compiled + cost_compile
    overhead = _FIXED_SECONDS + len(set(shapes)) * compiled + len(shapes) * _SECONDS_PER_IMAGE
    maps = max(_maps(shape, work.config.center_fraction) for shape in shapes)
    return _BASE_MEMORY + max(live, maps), computed + overhead


# Bytes, seconds of work, seconds of compilation for one shape.
_Cost = tuple[float, float, float]
_Attacks = list[tuple[Search, int]]
_Shapes = list[tuple[int, int, int]]


def _maps(shape: tuple[int, int, int], center_fraction: float | None) -> float:
    """Estimate the memory [bytes] while ESPIRiT makes the maps of a slice: with many coils, a matrix and its vectors.

    center_fraction: the masks' share of fully sampled columns; None for masks of the files, whose centre may be as
        large as the image.
    """
    coils, ny, nx = shape
    columns = nx if center_fraction is None else round(nx * center_fraction)
    kernel = kernel_for((ny, columns), EspiritConfig())
    return _LIVE_MATRICES * _COMPLEX_BYTES * (coils * kernel**2) ** 2


def _without_defence(subject: Subject) -> Subject:
    """The method alone, of which a defence makes several passes."""
    config = subject.method_config
    return (
        subject._replace(method=config.inner, method_config=config.plain())
        if isinstance(config, DefenceConfig)
        else subject
    )


def _cost_of(method: Method) -> Callable[[_Shapes, Work, Subject, _Attacks, int], _Cost]:
    if method.trained:
        return _fit_of_trained if method.fitted else _network
    return _fit if method.fitted else _solver


def _solver(shapes: _Shapes, work: Work, subject: Subject, attacks: _Attacks, scored: int) -> _Cost:
    config = subject.method_config
    by_rows = stages_of(subject.method.build(config)).follow(jnp.zeros(1, bool)) is not None
    iterations = _iterations(config, shapes)
    if getattr(config, "tolerance", 0) > 0:
        iterations = min(iterations, _UNTIL_CONVERGED)
    # A gradient costs the reconstruction and a third as much for its implicit adjoint, or twice as much unrolled.
    gradient = 4 / 3 if getattr(config, "differentiate", "implicit") == "implicit" else 3
    evaluations = sum(gradients(search.config) * sizes for search, sizes in attacks)
    taken = iterations * scored + (_FOLLOWED if by_rows else gradient * iterations) * evaluations
    live = workers() * work.batch * max(math.prod(shape) for shape in shapes) * _COMPLEX_BYTES * _LIVE_ARRAYS
    if by_rows:
        shifts = getattr(config, "shifts", 1)  # of wavelets, each a transform
        each = sum(
            inverse_bytes(shape) / _BYTES_PER_SECOND + shifts * shape[1] * shape[2] * _PER_PIXEL for shape in shapes
        )
        # All epsilons at once.
        live *= max([1, *(sizes for _, sizes in attacks)])
        live += workers() * work.batch * max(inverse_bytes(shape) for shape in shapes)
    else:
        each = sum(math.prod(shape) for shape in shapes) * _seconds_per_point() * _ITERATION_COST
    return live, each * taken / workers(), _COMPILE_SECONDS * max(len(attacks), 1)


def _iterations(config: Any, shapes: _Shapes) -> float:
    """Iterations in units of two Fourier transforms of all coils."""
    if hasattr(config, "outer"):
        # Conjugate gradients, and two transforms of each band.
        bands = 1 + sum(4 * 2**level for level in config.levels)
        return float(config.outer * config.inner * (config.cg + bands / max(shape[0] for shape in shapes)))
    return float(getattr(config, "n_iters", 1))


def _network(shapes: _Shapes, work: Work, subject: Subject, attacks: _Attacks, scored: int) -> _Cost:
    # A gradient costs a forward and a backward pass of about the same work.
    passes = scored + 2 * sum(gradients(search.config) * sizes for search, sizes in attacks)
    config = subject.method_config
    multiplications = sum(_multiplications(subject, shape) for shape in shapes)
    live = max(_activations(config, shape) for shape in shapes) * workers() * work.batch
    if subject.method.without_inverse(config) != config:
        live += max(inverse_bytes(shape) for shape in shapes) * workers() * work.batch
    live += sum(leaf.nbytes for leaf in jax.tree.leaves(subject.params))
    return live, multiplications * passes / _MULTIPLICATIONS_PER_SECOND, _NETWORK_COMPILE_SECONDS * max(len(attacks), 1)


def _fit(shapes: _Shapes, work: Work, subject: Subject, attacks: _Attacks, scored: int) -> _Cost:
    """Estimate the cost of an un-trained network from the steps of its fit, each a forward and a backward pass."""
    config = subject.method_config
    pixels = [ny * nx for _, ny, nx in shapes]
    # Tracing a network takes seconds, and nearly all of its work is in proportion to the pixels.
    operations = _operations_of_step(subject, shapes[0]) / pixels[0] * sum(pixels)
    computed = _steps(config, attacks, scored) * config.seeds * operations / _OPERATIONS_PER_SECOND
    live = 200 * config.channels * max(pixels) * workers() * work.batch
    return live, computed, 3 * _NETWORK_COMPILE_SECONDS * max(len(attacks), 1)


def _fit_of_trained(shapes: _Shapes, work: Work, subject: Subject, attacks: _Attacks, scored: int) -> _Cost:
    """Estimate the cost of a trained network that is fitted: a step is a forward pass and two passes back."""
    config = subject.method_config
    live, _, compiled = _network(shapes, work, subject, attacks, scored)
    passes = scored + 3 * _steps(config, attacks, scored)
    multiplications = sum(_multiplications(subject, shape) for shape in shapes)
    return 2 * live, multiplications * passes / _MULTIPLICATIONS_PER_SECOND, 2 * compiled


def _steps(config: Any, attacks: _Attacks, scored: int) -> float:
    """Count the steps of all fits; a step through which a gradient is taken counts as several."""
    through = {
        "warm": _THROUGH_STEP * config.gradient_steps,
        "truncated": config.n_steps + _THROUGH_STEP * config.gradient_steps,
        "unroll": _THROUGH_STEP * config.n_steps,
        "implicit": config.n_steps + _THROUGH_STEP * ADJOINT_ITERATIONS,
    }[config.gradient]
    steps = scored * config.n_steps
    if config.gradient == "warm" and any(search.kind.searches for search, _ in attacks):
        steps += config.n_steps
    for search, sizes in attacks:
        joint = search.kind.sees == "objective"
        steps += gradients(search.config) * sizes * (1 if joint else through)
    return float(steps)


def _operations_of_step(subject: Subject, shape: tuple[int, int, int]) -> float:
    """Count the operations of a step of the fit, as the compiler counts them before it compiles anything."""
    variational = subject.method.variational
    assert variational is not None

    def step(measurement: Measurement, key: Key) -> Any:
        problem = variational(subject.method_config)(measurement, key)
        return jax.value_and_grad(problem.objective)(problem.first, measurement.kspace)

    kspace: Any = jax.ShapeDtypeStruct(shape, jnp.complex64)
    mask: Any = jax.ShapeDtypeStruct(shape[-1:], bool)
    measurement = Measurement(kspace, mask, kspace)
    costs: Any = jax.jit(step).lower(measurement, jax.eval_shape(new_key, 0)).cost_analysis()
    return float(costs["flops"])


def _multiplications(subject: Subject, shape: tuple[int, int, int]) -> float:
    """Count the multiplications of a forward pass.

    A U-Net has 40.5 channels^2 a pixel at each level: a level has twice the channels and a quarter of the pixels.
    """
    coils, ny, nx = shape
    config = subject.method_config
    if hasattr(config, "strides"):
        # A layer mixes channels, has two strided convolutions of half the channels with a gate, and one of 3 x 3.
        layers = zip(config.hidden, config.strides, strict=True)
        each = [config.width * (config.width + 1.5 * hidden) + 9 * hidden**2 / stride**2 for hidden, stride in layers]
        return config.steps * sum(each) * ny * nx

    pixels = ny * nx
    if hasattr(config, "stages"):
        return config.stages * config.filters * (4 * config.size**2 + config.gaussians) * pixels
    if hasattr(config, "layers"):
        return _repeats(config) * 9 * (4 + (config.layers - 2) * config.channels) * config.channels * pixels
    if hasattr(config, "hidden"):
        dense = config.hidden * (2 * config.samples + config.side**2)
        return dense + (25 + 25 * config.channels + 49) * config.channels * (config.side + 8) ** 2
    if hasattr(config, "levels"):
        # Levels have twice the channels and a quarter of the pixels; on the way up twice and more again.
        return 10 * config.channels**2 * config.levels * pixels
    if not hasattr(config, "pools"):
        # A network of another package: convolutions use each weight at each pixel.
        return float(sum(leaf.size for leaf in jax.tree.leaves(subject.params)) * pixels)

    def unet(channels: int, pools: int) -> float:
        return 40.5 * channels**2 * (pools + 1 / 3) * ny * nx

    if not hasattr(config, "cascades"):
        return unet(config.channels, config.pools)
    maps = coils * unet(config.sens_channels, config.sens_pools)
    return maps + config.cascades * unet(config.channels, config.pools)


def _activations(config: Any, shape: tuple[int, int, int]) -> float:
    """Estimate the memory [bytes] kept for a gradient: in U-Nets some ten float32 images a channel, over all levels."""
    coils, ny, nx = shape
    if hasattr(config, "strides"):
        # A network whose layers are undone keeps a few latent images, and the arrays of one branch.
        kept = max(4 * hidden / stride**2 for hidden, stride in zip(config.hidden, config.strides, strict=True))
        return 4 * ny * nx * (8 * config.width + kept) + _COMPLEX_BYTES * _LIVE_ARRAYS * coils * ny * nx
    if hasattr(config, "stages"):
        return 4 * ny * nx * config.stages * 4 * config.filters + _COMPLEX_BYTES * _LIVE_ARRAYS * coils * ny * nx
    images = getattr(config, "channels", 0) * _repeats(config) * getattr(config, "layers", 1)
    images += coils * getattr(config, "sens_channels", 0)
    return 10 * 4 * ny * nx * images + _COMPLEX_BYTES * _LIVE_ARRAYS * coils * ny * nx


def _repeats(config: Any) -> int:
    """Count how often a network is applied to the image, with the same parameters or with others."""
    repeats: int = getattr(config, "cascades", getattr(config, "iterations", 1))
    return repeats


def _seconds_per_point() -> float:
    """Measure the time [s] of two Fourier transforms of rows of 128, per point."""
    rows = jnp.ones((_POINTS // 128, 128), jnp.complex64)
    there_and_back = jax.jit(lambda x: jnp.fft.ifft(jnp.fft.fft(x)))
    there_and_back(rows).block_until_ready()
    times = []
    for _ in range(9):
        start = time.perf_counter()
        there_and_back(rows).block_until_ready()
        times.append(time.perf_counter() - start)
    return statistics.median(times) / _POINTS
