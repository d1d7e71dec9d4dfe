"""The path of a perturbation to the method: its set, the measurement that it makes, and the truth for that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import ifft2c, image_crop
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.threats import CHANGES, NORMS
from jaxcs.threats.balls import Threat
from jaxcs.types import Measurement, SliceData

MapsKept = Literal["fixed", "reestimated"]


class Scan(NamedTuple):
    """Pure functions of one slice.

    Attributes:
        allowed: data, epsilon -> the set of perturbations.
        nothing: data -> the perturbation that changes nothing.
        measure: data, perturbation -> the measurement that the method is given.
        truth: data, perturbation -> the image that the method should return.
        perturbed: data, perturbation -> the root sum of squares of the whole scan with the perturbation in it: what can
            be seen of the perturbation without any method.  It means nothing if the data are under-sampled.
        maps_stay: whether no perturbation changes the coil maps that the method is given.
        additive: whether perturbations are added to the data.
    """

    allowed: Callable[[SliceData, Array], Threat]
    nothing: Callable[[SliceData], Array]
    measure: Callable[[SliceData, Array], Measurement]
    truth: Callable[[SliceData, Array], Array]
    perturbed: Callable[[SliceData, Array], Array]
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
    change, noise = CHANGES.get(threat), NORMS[norm]

    def allowed(data: SliceData, epsilon: Array) -> Threat:
        if change is not None:
            return change.threat(epsilon, data.kspace, data.maps, data.mask)
        return noise.ball(data, epsilon)

    def nothing(data: SliceData) -> Array:
        ball = allowed(data, jnp.zeros((), jnp.float32))
        return jnp.zeros(ball.support.shape, jnp.float32 if ball.real else jnp.complex64)

    def changed(data: SliceData, delta: Array) -> tuple[Array, Array]:
        if change is not None:
            kspace, told = change.apply(data.kspace, data.maps, delta)
            # Samples that were never acquired stay unknown; otherwise the truth would hold data that no mask can
            # measure.
            return jnp.where(jnp.any(data.kspace != 0, axis=(0, 1)), kspace, 0), told
        return data.kspace + noise.enters(data, delta), data.maps

    def measure(data: SliceData, delta: Array) -> Measurement:
        kspace, told = changed(data, delta)
        kspace = jnp.where(data.mask, kspace, 0)
        if maps == "reestimated":
            assert calibration is not None
            told = espirit(kspace, calibration, EspiritConfig())
        return Measurement(kspace, data.mask, told)

    def truth(data: SliceData, delta: Array) -> Array:
        # The image of the whole scan of the changed object, so that resampling is not an error of the method.
        return data.target if change is None or not change.moves_object else perturbed(data, delta)

    def perturbed(data: SliceData, delta: Array) -> Array:
        if not jnp.iscomplexobj(data.kspace):
            # A sinogram of few views has no image of its own: that of the perturbation is added to the truth.
            return data.target + ParallelBeam(data.maps, data.mask).fbp(delta)
        image = root_sum_of_squares(ifft2c(changed(data, delta)[0]))
        return image_crop(image, (data.target.shape[0], data.target.shape[1]))

    maps_stay = maps == "fixed" and (change is None or change.maps_stay)
    return Scan(allowed, nothing, measure, truth, perturbed, maps_stay, change is None)
