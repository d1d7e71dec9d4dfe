"""What a reconstruction keeps of a feature.

All compare images (ty, tx) in the same units.  `weight` is the feature's profile, so that of a square whole pixels
count and of a soft shape its edge counts less.  A feature that changes nothing, as where the image already has the
value that it is filled with, has no score: NaN.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Picture = Float[Array, "ty tx"]
Score = Float[Array, ""]
# A feature below this share of the largest change that it makes anywhere is none.
_NOTHING = 1e-6


def standardised_mse(image: Picture, truth: Picture, weight: Picture) -> Score:
    """Mean squared error under the feature once each image has mean 0 and standard deviation 1 (Darestani et al. 2021).

    Both images are with the feature.  The numbers depend on all else in the image: only images of one slice compare.
    """
    error = _standardised(image) - _standardised(truth)
    return _mean(error**2, weight)


def feature_error(found: Picture, inserted: Picture, weight: Picture) -> Score:
    """Squared error of the feature over its own energy [-]: 0 of a perfect one, 1 of one that is lost.

    found, inserted: images with less images without the feature, reconstructed and true.
    """
    return _ratio(jnp.sum(weight * (found - inserted) ** 2), jnp.sum(weight * inserted**2))


def contrast_kept(found: Picture, inserted: Picture, weight: Picture) -> Score:
    """The mean difference that the feature makes in the reconstruction, over that in the truth [-]; 1 is all."""
    total = jnp.sum(weight * inserted)
    usable = jnp.abs(total) > _NOTHING * jnp.sum(weight) * jnp.max(jnp.abs(inserted))
    return jnp.where(usable, jnp.sum(weight * found) / jnp.where(usable, total, 1.0), jnp.nan)


def detectability(difference: Picture, template: Picture, noisy: Float[Array, "draw ty tx"]) -> Score:
    """d' of an observer who knows the feature and looks for it with a template [standard deviations].

    d' = <w, E g1 - E g0> / sqrt(Var <w, g>), the signal-to-noise ratio of the linear test statistic t = <w, g>
    (Barrett & Myers, Foundations of Image Science, 2004, section 13.2; with the feature itself as w it is the
    non-prewhitening matched filter of Wagner & Brown, Phys. Med. Biol. 30:489, 1985).

    difference: mean image with less mean image without the feature.  template: w.
    noisy: images without the feature under noise drawn afresh; the feature is taken to be so small that it does not
    change the noise.  Of n draws the standard deviation is uncertain by a share of 1 / sqrt(2 (n - 1)).
    """
    spread = jnp.std(jnp.sum(template * noisy, axis=(-2, -1)), ddof=1)
    return _ratio(jnp.sum(template * difference), spread)


def _standardised(image: Picture) -> Picture:
    return (image - jnp.mean(image)) / jnp.std(image)


def _mean(values: Picture, weight: Picture) -> Array:
    return _ratio(jnp.sum(weight * values), jnp.sum(weight))


def _ratio(above: Array, below: Array) -> Array:
    return jnp.where(below > 0, above / jnp.where(below > 0, below, 1.0), jnp.nan)
