"""MoDL (Aggarwal et al., IEEE Trans. Med. Imaging 38:394, 2019), which uses coil sensitivity maps from outside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxcs.complex import magnitude
from jaxcs.nets.modl import modl, weight_of
from jaxcs.nets.net import Net
from jaxcs.operators import Sense
from jaxcs.operators.row_inverse import RowInverse, row_inverse
from jaxcs.recon.checks import check_at_least, check_choice, checked
from jaxcs.recon.method import by_solver
from jaxcs.recon.predicted import method
from jaxcs.recon.row_split import by_rows
from jaxcs.recon.scale import peak
from jaxcs.types import (
    Image,
    Key,
    Magnitude,
    Maps,
    Mask,
    Measurement,
    Params,
    Predict,
    Prediction,
    Reconstructor,
    Solution,
    Stages,
)

# The network takes coil maps as an input.
NEEDS_MAPS = True


@dataclass(frozen=True)
class Config:
    """The network.

    Attributes:
        iterations: number of denoising and data consistency steps, which share all parameters.
        layers: convolutions of the denoiser, at least 2.
        channels: channels between the convolutions.
        solver: "rows" makes the data consistent exactly, by the inverse of each row.  "cg" is conjugate gradients, as
            published, which need no inverse in memory.  A mask of single samples has no separate rows: "rows" then is
            "cg".
        cg_iters: iterations of conjugate gradients.
    """

    iterations: int = 10
    layers: int = 5
    channels: int = 64
    solver: Literal["rows", "cg"] = "rows"
    cg_iters: int = 10

    def __post_init__(self) -> None:
        check_at_least("iterations", self.iterations, 1)
        check_at_least("layers", self.layers, 2)
        check_at_least("channels", self.channels, 1)
        check_choice("solver", self.solver, ("rows", "cg"))
        check_at_least("cg_iters", self.cg_iters, 1)


PRESETS = {
    # The published network, but for its batch normalisation.
    "paper": Config(),
    # A network that trains in minutes on two CPU cores.
    "small": Config(5, 5, 24),
}


def build(config: Config) -> Reconstructor:
    """Build the method: the magnitude of the network's image, in the units of the measurement."""
    return build_by(config, _net(config))


def build_by(config: Config, net: Net) -> Reconstructor:
    """Build the method of a network (zero-filled image, Sense, inverse, key) -> complex image."""
    complex_image = complex_by(net)

    def prepare(params: Params, maps: Maps, mask: Mask) -> RowInverse | None:
        return _inverse(config, params, maps, mask)

    def solve(params: Params, prepared: RowInverse | None, measurement: Measurement, key: Key) -> Solution:
        image = magnitude(complex_image(params, measurement, prepared, key))
        return Solution(image, jnp.int32(0), jnp.asarray(jnp.nan, image.dtype))

    def apply(params: Params, measurement: Measurement, key: Key) -> Magnitude:
        return solve(params, prepare(params, measurement.maps, measurement.mask), measurement, key).image

    door = jax.jit(checked(apply, needs_maps=NEEDS_MAPS, trained=True))
    return Reconstructor(net.init, door, Stages(prepare, solve))


def predict(config: Config) -> Predict:
    """Build the function that gives the magnitude of the image, and the coil images: the image times the maps."""
    complex_image = complex_by(_net(config))

    def of(params: Params, measurement: Measurement) -> Prediction:
        image = complex_image(params, measurement, _inverse(config, params, measurement.maps, measurement.mask), None)
        return Prediction(magnitude(image), measurement.maps * image)

    return of


def complex_by(net: Net) -> Callable[[Params, Measurement, RowInverse | None, Key | None], Image]:
    """Build the function that gives the network's complex image, in the units of the measurement."""

    def of(params: Params, measurement: Measurement, inverse: RowInverse | None, key: Key | None) -> Image:
        sense = Sense(measurement.maps, measurement.mask)
        zero_filled = sense.adjoint(measurement.kspace)
        size = peak(zero_filled)
        return size * net.apply(params, zero_filled / size, sense, inverse, key)

    return of


def _inverse(config: Config, params: Params, maps: Maps, mask: Mask) -> RowInverse | None:
    """The inverse of each row, which is not differentiated: the data consistency has its derivative from A."""
    if not by_rows(config.solver, mask):
        return None
    constant: Any = jax.lax.stop_gradient((maps, weight_of(params)))
    return row_inverse(constant[0], mask, constant[1])


def _net(config: Config) -> Net:
    return modl(config.iterations, config.layers, config.channels, config.cg_iters)


METHOD = method(Config, build, PRESETS, predict, needs_maps=NEEDS_MAPS)._replace(without_inverse=by_solver("cg"))
