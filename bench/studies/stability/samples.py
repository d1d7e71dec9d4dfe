"""Study 3: more and more samples of the same scan, of which a good method makes better and better images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.plan.errors import InputFileError
from bench.slices.one_coil import mask_seed
from bench.slices.prepare import SliceData
from bench.studies.stability.functions import scores
from bench.studies.stability.one_image import OneImage, Rows, Work
from bench.studies.stability.worlds import IGNORES_DATA
from jaxcs import masks
from jaxcs.complex import magnitude
from jaxcs.features import insert
from jaxcs.fourier import image_crop
from jaxcs.masks import nested
from jaxcs.operators import Sense
from jaxcs.recon import normalise
from jaxcs.types import Measurement

# SENSE of data without noise must improve with samples: the positive control.
NOISE_FREE = "sense, noise-free"
# A name in the rows, its role, the method that reconstructs, and the slice that it is given.
_Given = tuple[str, str, str, SliceData]


def sampled(one: OneImage, acceleration: float) -> Work:
    """Score all methods with the mask of one acceleration; each mask holds those of higher accelerations if it can.

    Coil maps stay those of the trained sampling, which come from the same fully sampled centre.

    Raises:
        InputFileError: the slice has too few columns for the mask.
    """
    mask = _masks(one)[acceleration]
    share = float(np.mean(np.broadcast_to(mask, one.prepared.data.kspace.shape[1:])))
    data, plain = one.prepared.data, _noise_free(one.prepared.data)
    members = [(member.label, member.role, member.label, data) for member in one.cast.members]
    members += [(NOISE_FREE, "control", label, plain) for label in one.functions if label == "sense"]
    # A method that ignores its data would take a change of scale for one of the scan.
    given = (
        (name, role, label, _masked(of, mask) if label == IGNORES_DATA else _scaled(_masked(of, mask)))
        for name, role, label, of in members
    )
    return _scored(one, acceleration, share, given)


def of_views(one: OneImage, acceleration: float, data: SliceData) -> Work:
    """Score all methods with another number of views.

    Args:
        one: the world on the slice.
        acceleration: views of the target's sinogram over the measured views.
        data: the slice with these views, divided by its own largest magnitude.
    """
    usual = one.prepared.data
    # A method that ignores its data would take a change of scale for one of the scan.
    ratio = usual.data_range / data.data_range
    unscaled = data._replace(target=data.target * ratio, data_range=usual.data_range)
    given = (
        (member.label, member.role, member.label, unscaled if member.label == IGNORES_DATA else data)
        for member in one.cast.members
    )
    return _scored(one, acceleration, 1 / acceleration, given)


def _scored(one: OneImage, acceleration: float, share: float, given: Iterable[_Given]) -> Work:
    """Reconstruct and score each slice; the pictures are those of the tested method."""
    trained = acceleration == one.cast.world.sampling.acceleration
    common: dict[str, Any] = {"acceleration": acceleration, "share": share, "trained": trained}
    rows: Rows = []
    pictures: dict[str, Array] = {}
    for name, role, label, data in given:
        functions = one.functions[label]
        image = functions.image(functions.stage(data), data.kspace, one.key)
        found = {key: float(value) for key, value in scores(image, data.target, data.data_range).items()}
        rows.append(common | {"method": name, "role": role} | found)
        if role == "tested":
            pictures[f"{name}|{acceleration:g}"] = image
    return rows, pictures


def _masks(one: OneImage) -> nested.Masks:
    cast, shape = one.cast, one.prepared.data.kspace.shape[1:]
    sampling = cast.world.sampling
    assert sampling.center_fraction is not None
    seed = mask_seed((cast.name,), masks.seed_from_name(one.prepared.volume))
    try:
        return nested.family(
            sampling.mask, (shape[0], shape[1]), cast.world.accelerations, sampling.center_fraction, seed
        )
    except ValueError as error:
        raise InputFileError(f"{one.prepared.name}: {error}; give larger images") from error


def _masked(data: SliceData, mask: np.ndarray) -> SliceData:
    """The slice with another mask; columns that the scanner never acquired are not measured."""
    return data._replace(mask=jnp.asarray(mask) & jnp.any(data.kspace != 0, axis=(0, 1)))


@jax.jit
def _scaled(data: SliceData) -> SliceData:
    """The slice in the units that the methods expect for its mask."""
    _, scale = normalise(Measurement(jnp.where(data.mask, data.kspace, 0), data.mask, data.maps))
    return data._replace(kspace=data.kspace / scale, target=data.target / scale, data_range=data.data_range / scale)


@jax.jit
def _noise_free(data: SliceData) -> SliceData:
    """The slice as its coil maps explain it, and no more."""
    shape = (data.target.shape[0], data.target.shape[1])
    image = insert.background(data.kspace, data.maps, shape).combined
    everything = Sense(data.maps, jnp.ones(data.kspace.shape[-1], bool))
    return data._replace(kspace=everything.forward(image), target=image_crop(magnitude(image), shape))
