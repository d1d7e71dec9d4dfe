"""A method on one slice, of which all that coil maps and mask decide is computed once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.slices.prepare import SliceData
from jaxcs.fourier import image_crop
from jaxcs.recon.staged import stages_of
from jaxcs.types import Key, Measurement


class Staged(NamedTuple):
    """A slice, with the part of the method that depends only on its coil maps and mask.

    Attributes:
        data: the slice.
        prepared: the method's result for maps and mask.
    """

    data: SliceData
    prepared: Any


def reconstruction(
    subject: Subject, method_config: Any
) -> tuple[Callable[[SliceData], Staged], Callable[[Staged, Array, Key], Array]]:
    """Build the two functions of a method.

    Args:
        subject: the method.
        method_config: its configuration, fitted to the size of the slice.

    Returns:
        slice -> staged; and staged, (coil, ny, nx) k-space of which the mask is applied, key -> (ty, tx) image.
    """
    method, params = stages_of(subject.method.build(method_config)), subject.params

    def stage(data: SliceData) -> Staged:
        return Staged(data, method.prepare(params, data.maps, data.mask))

    def image(staged: Staged, kspace: Array, key: Key) -> Array:
        data = staged.data
        measurement = Measurement(jnp.where(data.mask, kspace, 0), data.mask, data.maps)
        shape = (data.target.shape[0], data.target.shape[1])
        return image_crop(method.solve(params, staged.prepared, measurement, key).image, shape)

    return stage, image
