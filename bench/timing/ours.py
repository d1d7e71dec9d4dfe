"""Our side of the work, as programs (see `bench.timing.programs`); the time never includes compilation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from bench.timing import work
from bench.timing.programs import with_ct
from jaxcs.coils import espirit as coils
from jaxcs.operators import Sense, Wavelet
from jaxcs.operators.radon import Radon, even_angles
from jaxcs.recon import l1 as method
from jaxcs.types import Measurement

Program = Callable[[int], Any]


class Compiled:
    """A function whose compiled form depends on the number of iterations.

    Args:
        compile_for: compiles the function for a number of iterations.
    """

    def __init__(self, compile_for: Callable[[int], Callable[[], Any]]) -> None:
        self._compile_for, self._compiled = compile_for, dict[int, Callable[[], Any]]()

    def prepare(self, iterations: int) -> Program:
        """Compile, once for each number of iterations; returns the program that runs it."""
        if iterations not in self._compiled:
            self._compiled[iterations] = self._compile_for(iterations)
        return lambda _: jax.block_until_ready(self._compiled[iterations]())

    def __call__(self, iterations: int) -> Any:
        """Compile if needed, and run."""
        return self.prepare(iterations)(iterations)


def l1(options: dict[str, Any]) -> Compiled:
    """Build the reconstruction of the complex image by `jaxcs.recon.l1`."""
    measurement = _measurement(options)

    def compile_for(iterations: int) -> Callable[[], Any]:
        config = method.Config(wavelet=options["wavelet"], lam=options["lam"], n_iters=iterations)
        compiled = jax.jit(_for_each(lambda m: method.solve(config, m), options)).lower(measurement).compile()
        return lambda: compiled(measurement)

    return Compiled(compile_for)


def l1_attack(options: dict[str, Any]) -> Compiled:
    """Build the gradient in the k-space of a squared distance to a target, through all of l1."""
    measurement = _measurement(options)
    target = jnp.zeros(measurement.maps.shape[-2:])

    def compile_for(iterations: int) -> Callable[[], Any]:
        apply = method.build(method.Config(n_iters=iterations)).apply

        def loss(kspace: jax.Array, rest: Measurement) -> jax.Array:
            return jnp.sum((apply({}, rest._replace(kspace=kspace), jax.random.key(0)) - target) ** 2)

        gradient = _for_each(jax.grad(loss), options)
        compiled = jax.jit(gradient).lower(measurement.kspace, measurement).compile()
        return lambda: compiled(measurement.kspace, measurement)

    return Compiled(compile_for)


def espirit(options: dict[str, Any]) -> Program:
    """Build the estimation of maps by a preset of `jaxcs.coils.espirit`."""
    measurement = _measurement(options)
    config, shape = coils.PRESETS[options["preset"]], work.calibration(measurement.kspace.shape[-3:])
    estimate = jax.jit(_for_each(lambda kspace: coils.espirit(kspace, shape, config), options))
    return lambda _: jax.block_until_ready(estimate(measurement.kspace))


def normal(options: dict[str, Any]) -> Program:
    """Build A^H A on a zero-filled image."""
    measurement = _measurement(options)
    a = Sense(measurement.maps, measurement.mask)
    image = jax.jit(_for_each(Sense.adjoint, options))(a, measurement.kspace)
    apply = jax.jit(_for_each(Sense.normal, options))
    return lambda _: jax.block_until_ready(apply(a, image))


def wavelet(options: dict[str, Any]) -> Program:
    """Build the wavelet transform and its inverse."""
    measurement = _measurement(options)
    ny, nx = measurement.maps.shape[-2:]
    levels, grid = method.wavelet_grid(method.Config(wavelet=options["wavelet"]), (ny, nx))
    w, image = Wavelet(options["wavelet"], levels), jnp.ones((*measurement.maps.shape[:-3], *grid), jnp.complex64)
    apply = jax.jit(_for_each(lambda x: w.adjoint(w.forward(x)), options))
    return lambda _: jax.block_until_ready(apply(image))


def radon(options: dict[str, Any]) -> Program:
    """Build the Radon transform, its adjoint, or filtered back-projection."""
    size, views, copies = options["size"], options["views"], options["at_once"]
    a = Radon(even_angles(views), size, size)
    x = jnp.asarray(with_ct.image(size))
    of = {with_ct.FORWARD: a.forward, with_ct.ADJOINT: a.adjoint, with_ct.FBP: a.fbp}[options["of"]]
    given = x if options["of"] == with_ct.FORWARD else a.forward(x)
    given = given if copies == 1 else jnp.stack([given] * copies)
    apply = jax.jit(_for_each(of, options))
    return lambda _: jax.block_until_ready(apply(given))


def _for_each(function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """The function for as many slices as are computed at once."""
    return function if options["at_once"] == 1 else jax.vmap(function)


def _measurement(options: dict[str, Any]) -> Measurement:
    """The slice; or several copies of it with a first axis, if several are computed at once."""
    copies = options["at_once"]
    fields = map(jnp.asarray, work.read(Path(options["folder"])))
    return Measurement(*(field if copies == 1 else jnp.stack([field] * copies) for field in fields))
