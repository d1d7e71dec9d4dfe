"""The feature that a method loses most easily: worst place of the map, moved by gradients, and worst profile."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.plan.errors import UsageError
from bench.studies.features.config import FeatureConfig
from bench.studies.features.one_slice import OneSlice
from bench.studies.features.places import Place
from jaxcs.attacks import apgd
from jaxcs.complex import l2_norm
from jaxcs.features import insert, scores
from jaxcs.features.worst import Visible, share_lost, worst_place, worst_profile
from jaxcs.fourier import image_crop

_PLACE_STEPS, _PROFILE_STEPS, _RESTARTS = 20, 30, 3
# Number of random profiles with which the worst is compared.
_RANDOM = 16
# Smallest weight of the plain profile at pixels that the free profile may use, and margin of the pictures [pixels].
_IN_WINDOW, _MARGIN = 0.01, 10


def search(
    config: FeatureConfig, one: OneSlice, rows: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Search for the feature that the method loses most easily, from the scores of the map's places.

    "kept" is the share of a feature's energy that a template of it recovers in the reconstruction.

    Args:
        config: settings of the study.
        one: the method on the slice.
        rows: the rows of the map.

    Returns:
        The row of the search, and pictures by name.

    Raises:
        UsageError: no feature of this contrast is visible enough.
    """
    data, back, functions, image, key = one.prepared.data, one.back, one.functions, one.without.image, one.key
    scored = [row for row in rows if np.isfinite(row["kept"] if row["kept"] is not None else np.nan)]
    lowest = min(scored, key=lambda row: row["kept"])
    place = Place(lowest["row"], lowest["column"], lowest["size"])
    size = jnp.float32(place.size)
    first = jnp.asarray(place.centre(data.maps.shape[1:], data.target.shape), jnp.float32)
    place_key, profile_key, random_key = jax.random.split(key, 3)

    def at(shift: Any) -> Any:
        return functions.difference(one.staged, back, image, first + shift, size, key)

    attack = apgd.build(apgd.Config(n_steps=_PLACE_STEPS))
    moved = jax.jit(lambda key: worst_place(attack, key, lambda shift: at(shift)[:2], config.stride / 2).delta)(
        place_key
    )
    candidates = [(shift, at(shift)) for shift in (jnp.zeros(2, jnp.float32), moved)]
    faintest = 0.5 * _strength(candidates[0][1])
    # A feature that was pushed out of the object does not count as lost by the method.
    shift, plain = min(
        (one for one in candidates if _strength(one[1]) >= faintest), key=lambda one: float(_kept(*one[1][:2]))
    )
    found, inserted, weight = plain
    # All profiles have the same pixels and the same energy.
    shape = insert.profile(config.insertion, back, first + shift, size)
    window = shape > _IN_WINDOW
    feature = jnp.where(window, insert.amplitude(config.insertion, back, shape) * shape, 0)
    radius = l2_norm(feature)
    noise = float(jnp.sum(weight * jnp.std(one.without.noisy_truth, axis=0, ddof=1)) / jnp.sum(weight))
    largest = float(radius / jnp.sqrt(jnp.sum(window))) / noise
    if config.visibility > 0.99 * largest:
        raise UsageError(
            f"--visibility {config.visibility:g}: a feature of this contrast is at most {largest:.1f} standard "
            "deviations above the noise here; raise --contrast, or ask for less"
        )
    allowed = Visible(radius, window, floor=jnp.float32(config.visibility * noise))

    def differences(feature: Any) -> Any:
        return functions.free(one.staged, back, image, feature, key)

    strong = apgd.build(apgd.Config(n_steps=_PROFILE_STEPS, restarts=_RESTARTS))
    # Start from the plain feature or a random one, whichever loses most, so that the search is not worse than any of
    # them.
    profiles = [feature, *(allowed.random(k) for k in jax.random.split(random_key, _RANDOM))]
    tried = [differences(one) for one in profiles]
    first_profile = profiles[int(np.argmax([float(share_lost(*one)) for one in tried]))]
    drawn = [float(_kept(*one)) for one in tried[1:]]
    result = jax.jit(lambda key, start: worst_profile(strong, key, differences, allowed, start))(
        profile_key, first_profile
    )
    worst = differences(result.delta)
    row = {
        "place": [place.row + float(shift[0]), place.column + float(shift[1]), place.size],
        "pixels": int(jnp.sum(window)),
        "contrast_to_noise": {"floor": config.visibility, "plain": _strength(plain) / noise}
        | {"worst": float(jnp.sum(weight * worst[1]) / jnp.sum(weight)) / noise},
        "kept_mean": float(np.mean([one["kept"] for one in scored])),
        "kept_grid": float(_kept(*candidates[0][1][:2])),
        "kept_place": float(_kept(found, inserted)),
        "kept_random": float(np.mean(drawn)),
        "kept_random_least": float(np.min(drawn)),
        "kept_worst": float(_kept(*worst)),
        "observer": {
            "plain": float(scores.detectability(found, inserted, one.without.noisy)),
            "plain_whole": float(scores.detectability(inserted, inserted, one.without.noisy_truth)),
            "worst": float(scores.detectability(worst[0], worst[1], one.without.noisy)),
            "worst_whole": float(scores.detectability(worst[1], worst[1], one.without.noisy_truth)),
        },
        "gradient_norm": float(result.gradient_norm),
    }
    around = _around(place, data.target.shape)
    pictures = {"plain": inserted, "plain found": found, "worst": worst[1], "worst found": worst[0]}
    pictures["window"] = image_crop(window, (data.target.shape[0], data.target.shape[1]))
    pictures["truth"] = data.target
    return row, {name: np.asarray(picture)[around] for name, picture in pictures.items()}


def _kept(found: Any, inserted: Any) -> Any:
    """The share of the inserted feature's energy that the reconstruction recovers."""
    return 1 - share_lost(found, inserted)


def _strength(plain: Any) -> float:
    """The mean of a feature in the truth."""
    _, inserted, weight = plain
    return float(jnp.sum(weight * inserted) / jnp.sum(weight))


def _around(place: Place, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns around a place, clipped to the picture."""
    reach = int(place.size) + _MARGIN
    starts = [min(max(at - _MARGIN, 0), max(n - reach - _MARGIN, 0)) for at, n in zip(place[:2], shape, strict=True)]
    rows, columns = (slice(start, start + reach + _MARGIN) for start in starts)
    return rows, columns
