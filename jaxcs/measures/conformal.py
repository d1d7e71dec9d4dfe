"""Lower bounds of a score without the truth, by split conformal prediction (Wen, Ahmad & Schniter, arXiv:2505.09528).

Scores of calibration images, whose truth is known, say how far a prediction of the score may be too high.  If a new
image and its data come from the same distribution as the calibration images, its score lies above the bound with the
chosen confidence, whatever the method, the distribution and the prediction.  A better prediction gives a higher bound.
An attack or a shift of the scan breaks the assumption, and `coverage` measures what remains.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxcs.metrics import psnr
from jaxcs.recon.self_supervision import withhold
from jaxcs.types import Key, Magnitude, Measurement


class Calibration(NamedTuple):
    """How far below its prediction a score may lie.

    Attributes:
        margin: what is taken off a prediction, in the units of the score; inf if there are too few images.
        confidence: probability, over calibration and new image, that the score is above the bound [-].
        n: number of calibration images.
    """

    margin: float
    confidence: float
    n: int

    def bound(self, predicted: float | Float[np.ndarray, "image"]) -> float | Float[np.ndarray, "image"]:
        """Return the lower bounds of scores from their predictions."""
        return predicted - self.margin


def calibrate(
    predicted: Float[np.ndarray, "image"], scores: Float[np.ndarray, "image"], confidence: float = 0.9
) -> Calibration:
    """Calibrate predictions of a score on images whose truth is known.

    The margin is the ceil((n + 1) confidence)-th smallest of predicted - score (Vovk et al., Algorithmic Learning in a
    Random World, 2005).

    Args:
        predicted: (image,) predictions that used no truth, such as `self_consistency`; a constant is one too.
        scores: (image,) true scores, of which larger is better.
        confidence: probability with which a new score is above its bound, between 0 and 1.

    Returns:
        The calibration.  Fewer than confidence / (1 - confidence) images have no finite margin.

    Raises:
        ValueError: If the arrays do not fit, are not finite, or the confidence is not between 0 and 1.
    """
    predicted, scores = np.asarray(predicted, np.float64), np.asarray(scores, np.float64)
    if predicted.ndim != 1 or predicted.shape != scores.shape or not np.isfinite([predicted, scores]).all():
        raise ValueError(
            f"calibrate: predictions are {predicted.shape}, scores are {scores.shape}; need as many of each, all finite"
        )
    if not 0 < confidence < 1:
        raise ValueError(f"calibrate: confidence is {confidence}; give a number between 0 and 1, such as 0.9")
    n = len(scores)
    # Without the small number, 0.9 times 10 would be above 9 by rounding.
    rank = math.ceil((n + 1) * confidence - 1e-9)
    margin = float(np.sort(predicted - scores)[rank - 1]) if rank <= n else math.inf
    return Calibration(margin, confidence, n)


def self_consistency(
    reconstruct: Callable[[Measurement], Magnitude], measurement: Measurement, key: Key, share: float = 0.2
) -> Float[Array, ""]:
    """Predict the PSNR of an image from its data alone: by how much it changes if some samples are withheld.

    Args:
        reconstruct: measurement -> magnitude image (ny, nx).
        measurement: the data.
        key: random key of the withheld samples, which are never those of the fully sampled centre.
        share: share of the measured samples that are withheld [-].

    Returns:
        The PSNR of the image from the remaining samples against the image from all, () [dB], with the largest value of
        the latter as its peak.
    """
    kept = measurement.mask & ~withhold(key, measurement.mask, share)
    fewer = measurement._replace(kspace=jnp.where(kept, measurement.kspace, 0), mask=kept)
    image = reconstruct(measurement)
    return psnr(reconstruct(fewer), image, jnp.max(image))


def coverage(
    calibration: Calibration, predicted: Float[np.ndarray, "image"], scores: Float[np.ndarray, "image"]
) -> float:
    """Return the share of scores that are not below their bounds [-]."""
    return float(np.mean(np.asarray(scores) >= np.asarray(calibration.bound(np.asarray(predicted)))))
