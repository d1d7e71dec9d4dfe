"""Study 1: small perturbations of the image, each method under its worst and under that of another.

A perturbation r of the image x is added to the data as A r.  Its gain is ||f(A(x + r)) - f(A x)|| / ||r||.  A perfect
reconstruction has gain 1, because it returns x + r.  A method that ignores its data has gain 0.  Zero-filling and SENSE
have gains of at most 1, because their linear maps shrink all images.  A gain above 1 is therefore an instability.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

from bench.slices.prepare import SliceData
from bench.studies.stability.cast import TESTED, Cast
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.functions import EXACT, noise_like, scores, size_in_data
from bench.studies.stability.one_image import OneImage, Rows, Work
from bench.studies.stability.protocol import preset_of
from bench.studies.stability.worlds import PROJECTED, SINGULAR, start_of
from jaxcs.attacks import momentum
from jaxcs.complex import l2_norm, magnitude
from jaxcs.features import insert
from jaxcs.fourier import image_crop

# Shares of the steps after which the perturbation is scored, if the paper has none for these constants.
_SHARES = (0.6, 0.8, 1.0)
# Gradient evaluations of projected gradients.
_PUSHES = 20
# Norm of the noise that is added to a perturbation, relative to it, as in the published code.
_FRAGILE = 0.25


def constants_of(cast: Cast, config: StabilityConfig) -> momentum.Config:
    """Choose the constants of the ascent for a world, with its snapshots."""
    found = momentum.PRESETS[preset_of(cast, config)]
    steps = config.steps or found.n_steps
    whole = found.snapshots or tuple(round(share * found.n_steps) for share in _SHARES)
    snapshots = sorted({max(1, round(one * steps / found.n_steps)) for one in whole})
    return replace(found, n_steps=steps, snapshots=tuple(snapshots))


def pushes_of(config: StabilityConfig) -> int:
    """Return the number of gradient evaluations of projected gradients."""
    return min(config.steps or _PUSHES, _PUSHES)


def clean(one: OneImage, label: str, *, linear: bool) -> Work:
    """Score the unperturbed data.

    Args:
        one: the world on the slice.
        label: the method.
        linear: whether the method is linearised there.
    """
    image = one.clean[label]
    row: dict[str, Any] = {"method": label, "role": _roles(one)[label]} | _scored(one, image)
    if linear:
        largest = one.functions[label].singular(one.staged[label], one.reference[label], one.random, one.key)
        row["singular_value"] = float(largest)
    truth = {"truth": one.prepared.data.target} if label == one.cast.tested.label else {}
    return [row], {f"{label}|clean": image} | truth


def climbed(one: OneImage, constants: momentum.Config) -> Work:
    """Score all methods under the perturbations that the ascent finds for the tested method."""
    tested, ascent = one.cast.tested.label, one.cast.world.ascent
    functions, staged = one.functions[tested], one.staged[tested]
    reference = one.reference[tested] if one.cast.world.target == "clean" else one.prepared.data.target
    deltas = functions.climb(staged, reference, jax.random.fold_in(one.random, 1), one.key)
    rows: Rows = []
    pictures: dict[str, Array] = {}
    for index, (steps, r) in enumerate(zip(constants.snapshots, deltas, strict=True)):
        found, images = under(one, r, {"attack": ascent, "source": tested, "steps": steps}, index)
        rows += found
        last = steps == constants.snapshots[-1]
        pictures |= {f"{name}|{ascent}|{steps}": image for name, image in images.items() if last or name == tested}
        pictures[f"perturbed|{ascent}|{steps}"] = perturbed_truth(one, r)
    return rows, pictures


def pushed(one: OneImage, source: str, norm: float, steps: int) -> Work:
    """Score all methods under the perturbation of a norm that projected gradients find for one of them.

    Args:
        one: the world on the slice.
        source: the method whose worst perturbation is sought.
        norm: norm of the perturbation over that of the truth [-].
        steps: number of gradient evaluations.
    """
    random = jax.random.fold_in(one.random, 2)
    r = one.functions[source].push(one.staged[source], one.reference[source], jnp.float32(norm), random, one.key)
    told: dict[str, Any] = {"attack": PROJECTED, "source": source, "steps": steps}
    rows, images = under(one, r, told, 100 + list(one.functions).index(source))
    return rows, {f"{name}|{PROJECTED}|{source}": image for name, image in images.items()}


def worst_of_start(one: OneImage, norm: float) -> Work:
    """Score all methods under the worst perturbation of the linear start, found by power iteration.

    Args:
        one: the world on the slice, a sinogram: the image of filtered back-projection is linear in the data.
        norm: norm of the perturbation over that of the truth [-].
    """
    source = start_of(one.cast.name).method
    random = jax.random.fold_in(one.random, 3)
    r = one.functions[source].worst(one.staged[source], one.reference[source], jnp.float32(norm), random, one.key)
    rows, images = under(one, r, {"attack": SINGULAR, "source": source, "steps": EXACT}, 200)
    return rows, {f"{name}|{SINGULAR}|{source}": image for name, image in images.items()}


def under(one: OneImage, r: Array, told: dict[str, Any], index: int) -> tuple[Rows, dict[str, Array]]:
    """Score all methods under a perturbation, under noise of its norm, and under the two together.

    Args:
        one: the world on the slice.
        r: (ny, nx) perturbation.
        told: names of the perturbation, for the rows.
        index: number of the perturbation, for the noise's random key.

    Returns:
        A row for each method, and its image under the perturbation.
    """
    data, norm = one.prepared.data, l2_norm(r)
    first, second = jax.random.split(jax.random.fold_in(one.random, 1000 + index))
    noise = noise_like(r, norm, first)
    both = r + noise_like(r, _FRAGILE * norm, second)
    common = told | {
        "norm": float(norm / l2_norm(data.target)),
        "norm_data": float(size_in_data(data, r)),
        "ssim_perturbed": float(scores(perturbed_truth(one, r), data.target, data.data_range)["ssim"]),
    }
    rows: Rows = []
    images = {}
    for label, role in _roles(one).items():
        images[label], change = one.moved(label, r)
        noisy, by_noise = one.moved(label, noise)
        _, by_both = one.moved(label, both)
        row = {
            "method": label,
            "role": role,
            "change": float(change / l2_norm(one.reference[label])),
            "gain": float(change / norm),
            "gain_noise": float(by_noise / norm),
            "gain_both": float(by_both / l2_norm(both)),
        }
        rows.append(common | row | _scored(one, images[label]) | {"psnr_noise": _scored(one, noisy)["psnr"]})
    return rows, images


def perturbed_truth(one: OneImage, r: Array) -> Array:
    """Compute the (ty, tx) truth with the perturbation: |x + r|, for the truth's root sum of squares as |x|.

    The image of a sinogram is real and keeps its sign: x + r.
    """
    return _perturbed_truth(one.prepared.data, r)


@jax.jit
def _perturbed_truth(data: SliceData, r: Array) -> Array:
    if not jnp.iscomplexobj(data.kspace):
        return data.target + r
    shape = (data.target.shape[0], data.target.shape[1])
    x = insert.background(data.kspace, data.maps, shape).combined
    return data.target + image_crop(magnitude(x + r) - magnitude(x), shape)


def tested_norm(rows: Rows) -> float:
    """Return the norm of the last perturbation that the ascent found, over that of the truth [-]."""
    return float(max((row for row in rows if row["role"] == TESTED), key=lambda row: row["steps"])["norm"])


def _roles(one: OneImage) -> dict[str, str]:
    return {member.label: member.role for member in one.cast.members}


def _scored(one: OneImage, image: Array) -> dict[str, float]:
    data = one.prepared.data
    return {name: float(value) for name, value in scores(image, data.target, data.data_range).items()}
