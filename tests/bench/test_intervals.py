"""Intervals over volumes, ranges of few volumes, intervals of ranks, and the resulting words."""

import numpy as np
import pytest
from scipy import stats

from bench.findings.judged import ABOVE, BELOW, verdict
from bench.plan.intervals import RANGE, SURE, Interval, beside, of_difference, of_mean, of_ratio, told
from bench.plan.ranks import rank_interval
from bench.plan.ranks import told as told_rank


def names(count, each=1):
    return [str(index) for index in np.repeat(np.arange(count), each)]


def test_an_interval_is_student_s_over_volumes():
    values = np.random.default_rng(0).normal(size=12)
    alone = of_mean(list(values), names(12))
    half = stats.t.ppf(0.975, 11) * np.std(values, ddof=1) / np.sqrt(12)
    assert alone == (pytest.approx(values.mean() - half), pytest.approx(values.mean() + half), SURE, 12)
    # Three copies of each slice carry no more information than one.
    assert of_mean(list(np.repeat(values, 3)), names(12, 3))[:2] == pytest.approx(alone[:2])
    wider = of_mean(list(values), names(12), 0.99)
    assert (wider.high - wider.low) / (alone.high - alone.low) == pytest.approx(
        stats.t.ppf(0.995, 11) / stats.t.ppf(0.975, 11)
    )


@pytest.mark.parametrize("count", [2, 3, 4])
def test_few_volumes_have_a_range_and_one_has_nothing(count):
    values = [float(index) for index in range(2 * count)]
    assert of_mean(values, names(count, 2)) == (0.5, 2 * count - 1.5, RANGE, count)
    assert of_mean(values, ["one"] * len(values)) is None
    assert not of_mean(values, names(count, 2)).excludes(100.0)


@pytest.mark.parametrize(("count", "each"), [(5, 1), (10, 1), (10, 3)])
def test_an_interval_holds_the_true_mean_as_often_as_it_says(count, each):
    """Student's interval holds the mean in 95 % of the draws; 1.96 standard errors of ten volumes hold it in 91.8 %.

    4000 draws distinguish the two by nine standard errors.
    """
    rng = np.random.default_rng(7)
    draws = rng.normal(size=(4000, count, 1)) + 0.5 * rng.normal(size=(4000, count, each))
    volumes = names(count, each)
    held = [not of_mean(list(draw.ravel()), volumes).excludes(0.0) for draw in draws]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_the_interval_of_a_difference_holds_the_true_one_at_least_as_often():
    rng = np.random.default_rng(3)
    volumes, chosen = names(28), [True] * 8 + [False] * 20
    held = [not of_difference(list(rng.normal(size=28)), volumes, chosen).excludes(0.0) for _ in range(3000)]
    assert 0.94 <= np.mean(held) <= 0.985


def test_a_difference_knows_which_side_has_few_volumes():
    values = [1.0, 3.0, 0.0, 1.0, 2.0, 0.5, 0.25]
    assert of_difference(values, names(7), [True, True] + [False] * 5) == (1.0 - 2.0, 3.0 - 0.0, RANGE, 2)
    assert of_difference(values, names(7), [True] + [False] * 6) is None
    # For the same volumes on both sides, their common part cancels.
    shared = np.arange(6.0)
    both = of_difference([*shared, *(shared + 0.1)], names(6) * 2, [False] * 6 + [True] * 6)
    assert both[:2] == (pytest.approx(0.1), pytest.approx(0.1))


def test_a_ratio_holds_the_true_one_as_often_as_it_says_or_is_not_told():
    rng = np.random.default_rng(5)
    held = []
    for _ in range(3000):
        under = 1 + 0.3 * rng.normal(size=8)
        over = 0.4 + 0.3 * rng.normal(size=8)
        held.append(not of_ratio(list(over), list(under), names(8)).excludes(0.4))
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
    noise = rng.normal(size=8)
    assert of_ratio([1.0] * 8, list(noise - noise.mean() + 0.01), names(8)) is None
    assert of_ratio([0.1, 0.0], [0.2, 0.1], names(2)) == (0.0, 0.5, RANGE, 2)
    assert of_ratio([0.1, 0.0], [0.2, -0.1], names(2)) is None


def test_intervals_as_text_say_what_they_are():
    sure, few, skewed = Interval(0.6, 0.8, SURE, 9), Interval(0.61, 0.75, RANGE, 3), Interval(0.1, 0.75, SURE, 9)
    assert told(0.7, sure, "{:.2f}") == "0.70 ± 0.10"
    assert told(0.7, few, "{:.2f}") == "0.70 (0.61 to 0.75, range of 3 volumes)"
    assert told(0.7, few, "{:+.2f}", brief=True) == "+0.70 (+0.61 to +0.75)"
    assert told(0.7, None, "{:.2f}") == "0.70"
    assert beside(0.7, skewed, "{:.2f}") == "(95 %: 0.10 to 0.75)"


@pytest.mark.parametrize("true", [0.0, 0.8])
def test_the_interval_of_ranks_holds_the_true_correlation(true):
    rng = np.random.default_rng(11)
    x = rng.normal(size=(2000, 7))
    y = true * x + np.sqrt(1 - true**2) * rng.normal(size=(2000, 7))
    ranks = [np.argsort(np.argsort(one, axis=1), axis=1) for one in (x, y)]
    found = 1 - 6 * np.sum((ranks[0] - ranks[1]) ** 2, axis=1) / (7**3 - 7)
    # Spearman's rank correlation of normal pairs.
    rank = 6 / np.pi * np.arcsin(true / 2)
    held = [not rank_interval(float(one), 7).excludes(rank) for one in found]
    assert 0.94 <= np.mean(held) <= 0.99


def test_a_perfect_order_of_few_is_not_certain():
    assert rank_interval(1.0, 4) is None
    assert told_rank(1.0, 4) == "1.00 (too few to tell)"
    assert rank_interval(1.0, 5).low < 0
    assert 0 < rank_interval(1.0, 7).low < 0.9
    assert rank_interval(-1.0, 7)[:2] == pytest.approx(tuple(-x for x in rank_interval(1.0, 7)[1::-1]))
    assert told_rank(None, 9) == "none"


def sure(low, high):
    return Interval(low, high, SURE, 9)


@pytest.mark.parametrize(
    ("published", "intervals", "word"),
    [
        (ABOVE, [sure(1, 2), sure(0.1, 3)], "yes"),
        (BELOW, [sure(1, 2), sure(0.1, 3)], "no"),
        (BELOW, [sure(-2, -1)], "yes"),
        (ABOVE, [sure(-1, 2)], "not excluded"),
        # Two of three move, and one does not.
        (ABOVE, [sure(1, 2), sure(-0.01, 0.02), sure(1, 2)], "in part"),
        (ABOVE, [sure(1, 2), sure(-2, -1)], "in part"),
        (ABOVE, [], "cannot tell"),
        (ABOVE, [None], "cannot tell"),
        (ABOVE, [Interval(1, 2, RANGE, 3)], "cannot tell"),
        (ABOVE, [sure(-1, 2), None], "cannot tell"),
        (ABOVE, [sure(1, 2), None], "in part"),
        # An interval that holds a value does not confirm it.
        (1.0, [sure(0.9, 1.1)], "not excluded"),
        (1.0, [sure(0.1, 0.6), sure(-1, -0.5)], "no"),
        (1.0, [sure(0.1, 0.6), sure(-0.4, 3.5), sure(0.3, 1.05), sure(-0.7, 1.8)], "in part"),
        (1.0, [Interval(0.1, 0.6, RANGE, 2)], "cannot tell"),
    ],
)
def test_the_words_follow_from_the_numbers(published, intervals, word):
    assert verdict(published, intervals) == word
