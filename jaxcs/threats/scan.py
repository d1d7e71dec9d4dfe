"""The path of a perturbation to the method: its set, the measurement that it makes, and the truth for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.complex import l2_norm, root_sum_of_squares
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.operators import Sense
from jaxcs.threats import balls
from jaxcs.threats.balls import Threat
from jaxcs.threats.changes import CHANGES
from jaxcs.types import Measurement, SliceData

MapsKept = Literal["fixed", "reestimated"]
# Sets of additive perturbations; all but the last two are those of `_BALLS`.
NORMS = ("measured", "kspace", "per_coil", "whitened", "image")
_BALLS = {"measured": balls.measured, "kspace": balls.whole_kspace, "per_coil": balls.per_coil}
_MAPS_STAY = ("noise", "bias", "phase")


class Scan(NamedTuple):
    """Pure functions of one slice.

    Attributes:
        allowed: data, epsilon -> the set of perturbations.
        nothing: data -> the perturbation that changes nothing.
        measure: data, perturbation -> the measurement that the method is given.
        truth: data, perturbation -> the image that the method should return.
        maps_stay: whether no perturbation changes the coil maps that the method is given.
        additive: whether perturbations are added to the data.
    """

    allowed: Callable[[SliceData, Array], Threat]
    nothing: Callable[[SliceData], Array]
    measure: Callable[[SliceData, Array], Measurement]
    truth: Callable[[SliceData, Array], Array]
    maps_stay: bool
    additive: bool


def build(
    threat: str = "noise",
    norm: str = "measured",
    maps: MapsKept = "fixed",
    calibration: tuple[int, int] | None = None,
) -> Scan:
    """Build the functions for one threat.

    Args:
        threat: "noise" added to the data, or the name of a change in `CHANGES`.
        norm: set of the noise, a name of `NORMS`.
        maps: "fixed" at the maps of the slice, or "reestimated" from the perturbed data.
        calibration: (rows, columns) of the fully sampled centre from which maps are estimated, if they are.
    """
    change = CHANGES.get(threat)

    def allowed(data: SliceData, epsilon: Array) -> Threat:
        if change is not None:
            return change.threat(epsilon, data.kspace, data.maps, data.mask)
        if norm == "image":
            # The norm of the truth: no other image at hand is untouched by every method.
            return balls.image(epsilon, l2_norm(data.target), data.maps.shape[1:])
        if norm == "whitened":
            return balls.whitened(epsilon, data.kspace, data.mask, data.noise)
        return _BALLS[norm](epsilon, data.kspace, data.mask)

    def nothing(data: SliceData) -> Array:
        ball = allowed(data, jnp.zeros((), jnp.float32))
        return jnp.zeros(ball.support.shape, jnp.float32 if ball.real else jnp.complex64)

    def changed(data: SliceData, delta: Array) -> tuple[Array, Array]:
        if change is not None:
            kspace, told = change.apply(data.kspace, data.maps, delta)
            # Samples that were never acquired stay unknown; otherwise the truth would hold data that no mask can
            # measure.
            return jnp.where(jnp.any(data.kspace != 0, axis=(0, 1)), kspace, 0), told
        if norm == "image":
            delta = Sense(data.maps, data.mask).forward(delta)
        elif norm == "whitened":
            delta = jnp.einsum("ij,jyx->iyx", data.noise, delta)
        return data.kspace + delta, data.maps

    def measure(data: SliceData, delta: Array) -> Measurement:
        kspace, told = changed(data, delta)
        kspace = jnp.where(data.mask, kspace, 0)
        if maps == "reestimated":
            assert calibration is not None
            told = espirit(kspace, calibration, EspiritConfig())
        return Measurement(kspace, data.mask, told)

    def truth(data: SliceData, delta: Array) -> Array:
        if change is None or not change.moves_object:
            return data.target
        # The image of the whole scan of the changed object, so that resampling is not an error of the method.
        image = root_sum_of_squares(ifft2c(changed(data, delta)[0]))
        return image_crop(image, (data.target.shape[0], data.target.shape[1]))

    return Scan(allowed, nothing, measure, truth, maps == "fixed" and threat in _MAPS_STAY, threat == "noise")
