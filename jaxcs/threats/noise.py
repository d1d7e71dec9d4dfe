"""Sets of perturbations that are added to the data: the ball, and how a perturbation enters k-space."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.complex import l2_norm
from jaxcs.operators.parallel_beam import forward_model
from jaxcs.threats import balls
from jaxcs.threats.balls import Threat
from jaxcs.types import Kspace, SliceData


def _as_it_is(data: SliceData, delta: Array) -> Kspace:
    del data
    return delta


class Noise(NamedTuple):
    """A set of perturbations that are added to the data.

    Attributes:
        ball: (data, epsilon) -> the set.
        radius: what epsilon is relative to, in words.
        domain: what is perturbed, in words.
        enters: (data, perturbation) -> what is added to the whole k-space.
        of_whole: whether the set is defined for a fully sampled slice alone.
        by_maps: whether a perturbation enters through the coil maps.
    """

    ball: Callable[[SliceData, Array], Threat]
    radius: str
    domain: str = "the measured entries of k-space"
    enters: Callable[[SliceData, Array], Kspace] = _as_it_is
    of_whole: bool = False
    by_maps: bool = False


MEASURED = Noise(
    lambda data, epsilon: balls.measured(epsilon, data.kspace, data.mask),
    "the norm of the measured entries, all coils together",
)
KSPACE = Noise(
    lambda data, epsilon: balls.whole_kspace(epsilon, data.kspace, data.mask),
    "the norm of the whole k-space, all coils together",
    "all of k-space, of which only measured entries act",
    of_whole=True,
)
PER_COIL = Noise(
    lambda data, epsilon: balls.per_coil(epsilon, data.kspace, data.mask),
    "the norm of the measured entries of each coil, coil by coil",
)
WHITENED = Noise(
    lambda data, epsilon: balls.whitened(epsilon, data.kspace, data.mask, data.noise),
    "the norm of the measured entries, both whitened by the coils' noise covariance",
    enters=lambda data, delta: jnp.einsum("ij,jyx->iyx", data.noise, delta, precision=jax.lax.Precision.HIGHEST),
    of_whole=True,
)
IMAGE = Noise(
    # The norm of the truth: no other image at hand is untouched by every method.
    lambda data, epsilon: balls.image(
        epsilon, l2_norm(data.target), data.maps.shape[1:], real=not jnp.iscomplexobj(data.kspace)
    ),
    "the norm of the true image",
    "the image, as the scan measures it",
    enters=lambda data, delta: forward_model(data.maps, data.mask).forward(delta),
    by_maps=True,
)
