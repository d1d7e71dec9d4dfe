"""Reconstructions in two stages: the first depends on coil maps and mask alone, the second on the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.complex import magnitude
from jaxcs.recon.checks import checked
from jaxcs.types import Follow, Image, Key, Magnitude, Maps, Mask, Measurement, Params, Reconstructor, Solution, Stages


def staged(
    prepare: Callable[[Maps, Mask], Any],
    solve: Callable[[Measurement, Any], Solution],
    follow: Callable[[Mask], Follow | None] = lambda mask: None,
    sinograms: bool = False,
) -> Reconstructor:
    """Build a method without parameters from its two stages, which give complex images.

    Args:
        prepare: (maps, mask) -> a pytree.
        solve: (measurement, result of `prepare`) -> solution with a complex image.
        follow: mask -> `Follow` with complex images, or None.
        sinograms: whether sinograms are taken too.  Their images are real, and keep their sign.
    """

    def follow_it(mask: Mask) -> Follow | None:
        followed = follow(mask)
        return None if followed is None else Follow(followed.first, partial(_magnitude_of, followed.advance))

    def prepare_it(params: Params, maps: Maps, mask: Mask) -> Any:
        del params
        return prepare(maps, mask)

    def solve_it(params: Params, prepared: Any, measurement: Measurement, key: Key) -> Solution:
        del params, key
        found = solve(measurement, prepared)
        return found._replace(image=magnitude(found.image)) if jnp.iscomplexobj(found.image) else found

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        return solve_it(params, prepare(measurement.maps, measurement.mask), measurement, key).image

    door = jax.jit(checked(apply, needs_maps=True, sinograms=sinograms))
    return Reconstructor(init=lambda key: {}, apply=door, stages=Stages(prepare_it, solve_it, follow_it))


def _magnitude_of(
    advance: Callable[..., tuple[Image, Callable[..., Any]]], prepared: Any, measurement: Measurement, memory: Any
) -> tuple[Magnitude, Callable[[Magnitude], Any]]:
    image, pull = advance(prepared, measurement, memory)
    size, back = jax.vjp(magnitude, image)
    return size, lambda gradient: pull(back(gradient)[0])


def stages_of(method: Reconstructor) -> Stages:
    """Return the stages of any method.

    A method without stages prepares nothing, and its solution has error NaN.
    """
    if method.stages is not None:
        return method.stages

    def solve(params: Params, prepared: Any, measurement: Measurement, key: Key) -> Solution:
        del prepared
        image = method.apply(params, measurement, key)
        return Solution(image, jnp.int32(0), jnp.asarray(jnp.nan, image.dtype))

    return Stages(lambda params, maps, mask: (), solve)


def coils_by(solve: Callable[[Any, Measurement], Solution]) -> Callable[[Any], Callable[[Measurement, Key], Array]]:
    """Give the coil images of a method that solves for one complex image: coil maps times the image.

    Args:
        solve: (configuration, measurement) -> solution with a complex image.

    Returns:
        configuration -> (measurement, key) -> (coil, ny, nx) coil images.
    """
    return lambda config: lambda measurement, key: measurement.maps * solve(config, measurement).image
