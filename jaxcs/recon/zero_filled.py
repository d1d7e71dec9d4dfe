"""The adjoint image: unsampled k-space stays zero, and the coil maps combine the coils."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from jaxcs.complex import magnitude
from jaxcs.operators import Sense
from jaxcs.recon.checks import checked
from jaxcs.recon.method import Method
from jaxcs.types import Key, Magnitude, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """The method has no choices."""


def build(config: Config) -> Reconstructor:
    """Build the method |A^H y|, the starting point of every method and the weakest of them."""
    del config

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del params, key
        return magnitude(Sense(measurement.maps, measurement.mask).adjoint(measurement.kspace))

    return Reconstructor(init=lambda key: {}, apply=jax.jit(checked(apply, needs_maps=True)))


METHOD = Method(Config, build, {})
