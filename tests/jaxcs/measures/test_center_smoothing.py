"""The certificate of smoothing: its coverage where the true radius is known, and its parts against SciPy."""

import math

import jax
import numpy as np
import pytest
from scipy import stats

from jaxcs.complex import l2_norm
from jaxcs.measures.center_smoothing import distance_bound, distances_by, largest_shift, level_of, rank_of
from jaxcs.recon.smoothed import center

CONFIDENCE, COUNT, TRIALS, SIGMA = 0.9, 4000, 400, 0.5
# Half of the doubt is for the rank.
SURE = 1 - (1 - CONFIDENCE) / 2


def draws(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def lowest(probability, trials):
    """A share of trials that is as low as this has a chance of 1e-3."""
    return stats.binom.ppf(1e-3, trials, probability) / trials


def test_the_level_is_the_tail_of_the_binomial_distribution():
    for count, inside in ((8, 8), (8, 5), (31, 16), (1, 1)):
        least = stats.norm.cdf(stats.norm.ppf(level_of(0.7, count, inside, 0.95)) - 0.7)
        assert stats.binom.sf(inside - 1, count, least) == pytest.approx(0.975, abs=1e-6)


def test_the_rank_is_the_smallest_whose_order_statistic_covers():
    for count, level in ((100, 0.9), (1000, 0.99), (50, 0.5)):
        rank = rank_of(count, level, 0.95)
        # The share below an order statistic has a beta distribution.
        assert stats.beta.sf(level, rank, count - rank + 1) >= 0.975
        assert stats.beta.sf(level, rank - 1, count - rank + 2) < 0.975
    assert rank_of(100, 0.99, 0.95) is None
    assert rank_of(100, 1.0, 0.95) is None


def true_radius(shift, draws, inside, offset):
    """The radius of the ball about a point so far below, in which the identity's draws lie often enough.

    The ball is a half-line, for which the lemma of Neyman and Pearson is an equation.
    """
    least = stats.norm.ppf(stats.beta.ppf(1 - (1 - CONFIDENCE) / 2, inside, draws - inside + 1))
    return offset + SIGMA * (least + shift)


@pytest.mark.parametrize(("average", "factor", "inside"), [("mean", 1, 4), ("center", 3, 3)])
def test_it_covers_the_known_radius_of_a_linear_method_in_the_claimed_share_and_no_smaller_radius_does(
    average, factor, inside
):
    """The method is the identity of a number, and the point is 50 below the data."""
    shift, offset = 0.5, 50.0
    known = true_radius(shift, 4, inside, offset)
    distances = offset + SIGMA * draws((TRIALS, COUNT))
    bounds = [distance_bound(one, shift * SIGMA, SIGMA, 4, average, CONFIDENCE) / factor for one in distances]
    least = lowest(SURE, TRIALS)
    assert np.mean(np.array(bounds) >= known) > least
    # The bound is not far from the truth: that of a perturbation which is a third larger is not covered so often.
    assert np.mean(np.array(bounds) >= true_radius(shift + 0.6, 4, inside, offset)) < least
    # A certificate that forgets the perturbation is too small.
    forgotten = [distance_bound(one, 0.0, SIGMA, 4, average, CONFIDENCE) / factor for one in distances]
    assert np.mean(np.array(forgotten) >= known) < least


@pytest.mark.parametrize("average", ["mean", "center"])
def test_the_smoothed_image_of_the_worst_perturbation_is_within_the_bound(average):
    """The method is linear, of 3 x 2 pixels from 4 numbers; the perturbation is its first singular vector."""
    rng = np.random.default_rng(1)
    matrix, data = rng.normal(size=(6, 4)), rng.normal(size=4)
    _, _, vectors = np.linalg.svd(matrix)
    shift, count, within = 0.4, 7, []
    trials = TRIALS // 2
    centre = jax.jit(center)
    for _ in range(trials):
        middle = matrix @ data
        far = (data + SIGMA * rng.normal(size=(COUNT, 4))) @ matrix.T
        bound = distance_bound(np.linalg.norm(far - middle, axis=1), shift * SIGMA, SIGMA, count, average, CONFIDENCE)
        moved = data + shift * SIGMA * vectors[0] + SIGMA * rng.normal(size=(count, 4))
        images = (moved @ matrix.T).reshape(count, 3, 2).astype(np.float32)
        image = images.mean(axis=0) if average == "mean" else np.asarray(centre(images))
        within.append(np.linalg.norm(image.ravel() - middle) <= bound)
    assert np.isfinite(bound)
    assert np.mean(within) > lowest(CONFIDENCE, trials)


def test_there_is_no_bound_for_a_radius_that_the_draws_cannot_certify():
    distances = draws(COUNT) ** 2
    for average in ("mean", "center"):
        most = largest_shift(COUNT, 4, average, CONFIDENCE)
        assert most > 0
        assert math.isfinite(distance_bound(distances, 0.99 * most, 1.0, 4, average, CONFIDENCE))
        assert math.isinf(distance_bound(distances, 1.01 * most, 1.0, 4, average, CONFIDENCE))
    assert largest_shift(COUNT, 4, "center") > largest_shift(COUNT, 4, "mean")


def test_distances_are_norms():
    keys = jax.random.split(jax.random.key(0), 3)
    middle = jax.random.normal(jax.random.key(1), (3, 2))
    found = distances_by(lambda key: jax.random.normal(key, (3, 2)), middle, keys)
    np.testing.assert_allclose(found, [l2_norm(jax.random.normal(key, (3, 2)) - middle) for key in keys], rtol=1e-5)
