"""Scores that say how much of a feature a reconstruction keeps.

All scores compare images (ty, tx) in the same units.  `weight` is the feature's profile: a square counts whole pixels,
and the edge of a soft shape counts less.  A feature that changes nothing has no score: NaN.  This happens if the image
already has the value with which the feature fills it.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Picture = Float[Array, "ty tx"]
Score = Float[Array, ""]
# A feature counts as nothing if its mean is below this share of the largest change that it makes anywhere.
_NOTHING = 1e-6


def standardised_mse(image: Picture, truth: Picture, weight: Picture) -> Score:
    """Compute the mean squared error under the feature between standardised images (Darestani et al. 2021).

    Each image has mean 0 and standard deviation 1.  Both images contain the feature.  The numbers depend on the rest of
    the image, so only images of the same slice can be compared.

    Args:
        image: (ty, tx) reconstruction with the feature.
        truth: (ty, tx) truth with the feature.
        weight: (ty, tx) profile of the feature.
    """
    error = _standardised(image) - _standardised(truth)
    return _mean(error**2, weight)


def feature_error(found: Picture, inserted: Picture, weight: Picture) -> Score:
    """Compute the squared error of the feature over its energy: 0 if the feature is perfect, 1 if it is lost [-].

    Args:
        found: (ty, tx) reconstruction with the feature minus reconstruction without it.
        inserted: (ty, tx) truth with the feature minus truth without it.
        weight: (ty, tx) profile of the feature.
    """
    return _ratio(jnp.sum(weight * (found - inserted) ** 2), jnp.sum(weight * inserted**2))


def contrast_kept(found: Picture, inserted: Picture, weight: Picture) -> Score:
    """Compute the share of the feature's contrast that a reconstruction keeps [-]; 1 is all of it.

    The share is the mean difference that the feature makes in the reconstruction, over that in the truth.

    Args:
        found: (ty, tx) reconstruction with the feature minus reconstruction without it.
        inserted: (ty, tx) truth with the feature minus truth without it.
        weight: (ty, tx) profile of the feature.
    """
    total = jnp.sum(weight * inserted)
    usable = jnp.abs(total) > _NOTHING * jnp.sum(weight) * jnp.max(jnp.abs(inserted))
    return jnp.where(usable, jnp.sum(weight * found) / jnp.where(usable, total, 1.0), jnp.nan)


def detectability(difference: Picture, template: Picture, noisy: Float[Array, "draw ty tx"]) -> Score:
    """Compute d' of an observer who knows the feature and looks for it with a template [standard deviations].

    d' = <w, E g1 - E g0> / sqrt(Var <w, g>) is the signal-to-noise ratio of the linear test statistic t = <w, g>
    (Barrett & Myers, Foundations of Image Science, 2004, section 13.2).  With the feature itself as w the observer is
    the non-prewhitening matched filter of Wagner & Brown, Phys. Med. Biol. 30:489, 1985.

    Args:
        difference: (ty, tx) mean image with the feature minus mean image without it.
        template: (ty, tx) template w.
        noisy: (n, ty, tx) images without the feature, each with new noise.  The feature is assumed too small to change
            the noise.  The standard deviation of n draws is uncertain by a share of 1 / sqrt(2 (n - 1)).
    """
    spread = jnp.std(jnp.sum(template * noisy, axis=(-2, -1)), ddof=1)
    return _ratio(jnp.sum(template * difference), spread)


def _standardised(image: Picture) -> Picture:
    return (image - jnp.mean(image)) / jnp.std(image)


def _mean(values: Picture, weight: Picture) -> Array:
    return _ratio(jnp.sum(weight * values), jnp.sum(weight))


def _ratio(above: Array, below: Array) -> Array:
    return jnp.where(below > 0, above / jnp.where(below > 0, below, 1.0), jnp.nan)
