"""Coverage of the conformal bound on exchangeable scores, and what breaks it."""

import jax
import numpy as np
import pytest

from jaxcs.measures.conformal import calibrate, coverage, self_consistency
from jaxcs.recon import sense
from tests.jaxcs.test_recon import measurement

RNG = np.random.default_rng(7)


def scores(count):
    """Predictions and skewed, far from normal scores that they tell only in part."""
    predicted = RNG.gamma(4.0, 2.0, count)
    return predicted, 20 + 0.8 * predicted - RNG.exponential(1.0, count)


@pytest.mark.parametrize(("n", "confidence"), [(19, 0.9), (30, 0.9), (99, 0.8)])
def test_coverage_is_that_which_is_promised(n, confidence):
    """The coverage is ceil((n + 1) confidence) / (n + 1), on the mean over calibrations."""
    found = []
    for _ in range(1500):
        calibration = calibrate(*scores(n), confidence)
        found.append(coverage(calibration, *scores(20)))
    expected = np.ceil((n + 1) * confidence - 1e-9) / (n + 1)
    assert np.mean(found) == pytest.approx(expected, abs=0.01)
    assert expected >= confidence


def test_a_prediction_that_knows_something_raises_the_bound():
    predicted, true = scores(500)
    informed, blind = calibrate(predicted, true), calibrate(0 * predicted, true)
    new, later = scores(500)
    assert np.mean(informed.bound(new)) > np.mean(blind.bound(0 * new)) + 0.5
    assert coverage(blind, 0 * new, later) == pytest.approx(0.9, abs=0.05)


def test_a_loss_of_quality_that_the_prediction_does_not_see_breaks_it():
    calibration = calibrate(*scores(500))
    predicted, true = scores(500)
    assert coverage(calibration, predicted, true - 6) < 0.3


def test_too_few_images_bound_nothing():
    """With 8 images the chance that a new one is the worst of all is 1 / 9, more than 10 %."""
    assert calibrate(*scores(8)).margin == np.inf
    assert np.isfinite(calibrate(*scores(9)).margin)


@pytest.mark.parametrize(
    ("predicted", "true", "confidence", "said"),
    [([1, 2], [1], 0.9, "as many"), ([1, np.nan], [1, 2], 0.9, "finite"), ([1], [1], 1.0, "confidence is 1.0")],
)
def test_what_cannot_be_calibrated(predicted, true, confidence, said):
    with pytest.raises(ValueError, match=said):
        calibrate(np.array(predicted), np.array(true), confidence)


def test_self_consistency_falls_with_the_noise_as_the_score_does():
    method = sense.build(sense.Config(0.01)).apply
    predict = jax.jit(lambda m: self_consistency(lambda m: method({}, m, None), m, jax.random.key(0)))
    told = [float(predict(measurement((32, 24), 6, noise=noise))) for noise in (0.0, 0.02, 0.1)]
    assert told[0] > told[1] > told[2]
