"""The papers' ways of scoring, beside fastMRI's metrics: only numbers that were scored alike can be compared."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.metrics import nmse, psnr, ssim
from jaxcs.scored import Region

# (image, truth, True for the pixels that are scored, or None for all) -> score
Score = Callable[[Array, Array, Region | None], Array]


def _matched(image: Array, truth: Array) -> Array:
    """The truth, matched to the image in mean and spread (Darestani et al. 2021, in their notebooks on knees)."""
    return (truth - jnp.mean(truth)) * (jnp.std(image) / jnp.std(truth)) + jnp.mean(image)


def _rc2021(metric: Callable[..., Array]) -> Score:
    def score(image: Array, truth: Array, region: Region | None) -> Array:
        matched = _matched(image, truth)
        return metric(image, matched, jnp.max(matched), region)

    return score


def _morshuis2022(metric: Callable[..., Array]) -> Score:
    return lambda image, truth, region: metric(image, truth, jnp.max(truth) - jnp.min(truth), region)


def _antun2020(image: Array, truth: Array, region: Region | None) -> Array:
    return psnr(image, truth, jnp.max(image), region)


def _genzel2020(image: Array, truth: Array, region: Region | None) -> Array:
    return jnp.sqrt(nmse(image, truth, region))


CONVENTIONS: dict[str, dict[str, Score]] = {
    "rc2021": {"psnr_rc2021": _rc2021(psnr), "ssim_rc2021": _rc2021(ssim)},
    "morshuis2022": {"psnr_morshuis2022": _morshuis2022(psnr), "ssim_morshuis2022": _morshuis2022(ssim)},
    "antun2020": {"psnr_antun2020": _antun2020},
    "genzel2020": {"error_genzel2020": _genzel2020},
}
