"""The compiled functions of a study: one method on one slice, without and with a feature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate.subjects import Subject
from bench.slices.prepare import SliceData
from bench.studies.staged import Staged, reconstruction
from jaxcs.complex import l2_norm
from jaxcs.features import insert, scores
from jaxcs.features.insert import Background, Insertion
from jaxcs.fourier import image_crop
from jaxcs.metrics import METRICS
from jaxcs.types import Key


class Without(NamedTuple):
    """One slice without a feature.

    Attributes:
        image: (ty, tx) reconstruction.
        noisy: (draw, ty, tx) reconstructions with fresh noise; without draws, detectability is not scored.
        noisy_truth: (draw, ty, tx) fully sampled images with the same noise.
    """

    image: Array
    noisy: Array
    noisy_truth: Array


class Functions(NamedTuple):
    """The compiled functions of one method.

    Attributes:
        stage: data -> slice.
        background: data -> the images into which the feature is inserted.
        clean: slice, key -> reconstruction and its scores.
        noisy: slice, background, thermal epsilon, noise key, key -> reconstruction and fully sampled image of noisier
            data.
        difference: slice, background, image without, centre, size, key -> change of reconstruction and of truth by the
            feature (with minus without), and its profile; all (ty, tx).
        place: slice, background, Without, centres (place, 2), sizes, key -> scores by name, (place,) each.
        free: slice, background, image without, feature (ny, nx), key -> like `difference`, for a real-valued feature of
            any form, without the profile.
    """

    stage: Callable[[SliceData], Staged]
    background: Callable[..., Background]
    clean: Callable[..., tuple[Array, dict[str, Array]]]
    noisy: Callable[..., tuple[Array, Array]]
    difference: Callable[..., tuple[Array, Array, Array]]
    place: Callable[..., dict[str, Array]]
    free: Callable[..., tuple[Array, Array]]


def build(subject: Subject, method_config: Any, insertion: Insertion) -> Functions:
    """Build the functions for one method and one kind of feature; coil maps are those without the feature."""
    stage, reconstruct = reconstruction(subject, method_config)

    def shape_of(data: SliceData) -> tuple[int, int]:
        return data.target.shape[0], data.target.shape[1]

    def background(data: SliceData) -> Background:
        return insert.background(data.kspace, data.maps, shape_of(data))

    def clean(staged: Staged, key: Key) -> tuple[Array, dict[str, Array]]:
        data = staged.data
        image = reconstruct(staged, data.kspace, key)
        return image, {name: metric(image, data.target, data.data_range) for name, metric in METRICS.items()}

    def noisy(staged: Staged, back: Background, thermal: Array, noise_key: Key, key: Key) -> tuple[Array, Array]:
        data = staged.data
        white = jax.random.normal(noise_key, data.kspace.shape, jnp.complex64)
        noise = jnp.einsum("ij,jyx->iyx", data.noise, white, precision=jax.lax.Precision.HIGHEST)
        measured = lambda kspace: l2_norm(jnp.where(data.mask, kspace, 0))  # noqa: E731
        kspace = data.kspace + noise * (thermal * measured(data.kspace) / measured(noise))
        return reconstruct(staged, kspace, key), insert.truth_with(back, data.target, kspace)

    def with_added(staged: Staged, back: Background, added: Array, key: Key) -> tuple[Array, Array]:
        kspace = insert.inserted(back, added)
        return reconstruct(staged, kspace, key), insert.truth_with(back, staged.data.target, kspace)

    def one(staged: Staged, back: Background, centre: Array, size: Array, key: Key) -> tuple[Array, Array, Array]:
        shape = insert.profile(insertion, back, centre, size)
        added = insert.coil_images(insertion, back, shape)
        return *with_added(staged, back, added, key), image_crop(shape, shape_of(staged.data))

    def difference(
        staged: Staged, back: Background, image: Array, centre: Array, size: Array, key: Key
    ) -> tuple[Array, Array, Array]:
        found, truth, weight = one(staged, back, centre, size, key)
        return found - image, truth - staged.data.target, weight

    def place(
        staged: Staged, back: Background, without: Without, centre: Array, size: Array, key: Key
    ) -> dict[str, Array]:
        data = staged.data
        image, truth, weight = one(staged, back, centre, size, key)
        found, true = image - without.image, truth - data.target
        values = {
            "background": jnp.sum(weight * data.target) / jnp.sum(weight) / back.peak,
            "inserted": jnp.sum(weight * true) / jnp.sum(weight) / back.peak,
            "mse": scores.standardised_mse(image, truth, weight),
            "error": scores.feature_error(found, true, weight),
            "kept": scores.contrast_kept(found, true, weight),
            "finite": jnp.isfinite(jnp.sum(image)),
        }
        if without.noisy.shape[0]:
            values["detectability"] = scores.detectability(found, true, without.noisy)
            values["detectability_whole"] = scores.detectability(true, true, without.noisy_truth)
        return values

    def free(staged: Staged, back: Background, image: Array, feature: Array, key: Key) -> tuple[Array, Array]:
        found, truth = with_added(staged, back, back.maps * (feature * back.phase), key)
        return found - image, truth - staged.data.target

    over_places = jax.vmap(place, in_axes=(None, None, None, 0, 0, None))
    compiled = (jax.jit(function) for function in (stage, background, clean, noisy, difference, over_places, free))
    return Functions(*compiled)
