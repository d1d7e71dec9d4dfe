"""Filtered back-projection, the linear reconstruction of a sinogram."""

from __future__ import annotations

from dataclasses import dataclass

import jax

from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.recon.checks import sinogram_checked
from jaxcs.recon.method import Method
from jaxcs.types import Key, Magnitude, Measurement, Params, Reconstructor


@dataclass(frozen=True)
class Config:
    """The method has no choices: the filter is Ram-Lak."""


def build(config: Config) -> Reconstructor:
    """Build the method; its image may be negative."""
    del config

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        del params, key
        return ParallelBeam(measurement.maps, measurement.mask).fbp(measurement.kspace)

    return Reconstructor(init=lambda key: {}, apply=jax.jit(sinogram_checked(apply)))


METHOD = Method(Config, build, {}, uses_maps=lambda config: False)
