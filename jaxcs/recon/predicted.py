"""A reconstruction method from a network that gives an image and coil images; the method gives the image alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from jaxcs.recon.checks import checked
from jaxcs.recon.method import Method
from jaxcs.types import Key, Magnitude, Measurement, Params, Predict, Reconstructor


def reconstructor(init: Callable[[Key], Params], predict: Predict, *, needs_maps: bool) -> Reconstructor:
    """Build a method from `predict`: its image, in the units of the measurement.  It uses no key."""

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del key
        return predict(params, measurement).image

    return Reconstructor(init=init, apply=jax.jit(checked(apply, needs_maps=needs_maps, trained=True)))


def method(
    config: type[Any],
    build: Callable[[Any], Reconstructor],
    presets: dict[str, Any],
    predict: Callable[[Any], Predict],
    *,
    needs_maps: bool,
) -> Method:
    """Make the entry of a trained network that gives an image and coil images."""
    return Method(config, build, presets, trained=True, uses_maps=lambda config: needs_maps, predict=predict)
