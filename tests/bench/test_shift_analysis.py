"""The statistics of bench.shift on numbers with known answers, and its sentences and figures."""

import numpy as np
import pytest

from bench.figures import shift as figure
from bench.plan.line import line
from bench.studies.shift.analysis import Point, Scores, analyse, correlation
from bench.studies.shift.findings import findings
from bench.studies.shift.named import AXES, DEFAULT_VARIANTS, FILTER, VARIANTS
from bench.studies.shift.table import render
from jaxcs.catalogue import OF_KSPACE
from jaxcs.recon import METHODS


def half(interval):
    return (interval["high"] - interval["low"]) / 2


def scores(values, first=0, per_volume=1):
    names = [f"image {first + index}" for index in range(len(values))]
    return Scores(
        dict(zip(names, map(float, values), strict=True)),
        {name: f"volume {(first + index) // per_volume}" for index, name in enumerate(names)},
    )


def points(insides, outsides, apart=0):
    """Points of rows of scores; `apart` > 0 takes other images out of distribution."""
    return [
        Point(f"method {i} (knee)", f"method {i}", "sparsity", scores(x), scores(y, apart))
        for i, (x, y) in enumerate(zip(insides, outsides, strict=True))
    ]


def drawn(slope, rng, methods=8, images=12, scatter=0.004):
    """Draw methods with true means from 0.6 to 0.9 on the line 0.1 + slope (x - 0.1).

    Each image is harder or easier for all methods.
    """
    x = np.linspace(0.6, 0.9, methods)
    y = 0.1 + slope * (x - 0.1) + rng.normal(scale=scatter, size=methods)
    hard = rng.normal(scale=0.05, size=(2, images))
    own = rng.normal(scale=0.01, size=(2, methods, images))
    return points(x[:, None] + hard[0] + own[0], y[:, None] - 0.1 + hard[1] + own[1], apart=100)


def test_the_line_is_that_of_least_squares():
    x, y = np.array([0.5, 0.6, 0.7, 0.9]), np.array([0.41, 0.48, 0.62, 0.79])
    found = line(list(x), list(y))
    slope, intercept = np.polyfit(x, y, 1)
    residual = y - intercept - slope * x
    error = np.sqrt(np.sum(residual**2) / 2 / np.sum((x - x.mean()) ** 2))
    # Student's 97.5 % quantile with 2 degrees of freedom.
    assert found["slope"] == pytest.approx(slope)
    assert found["slope_half"] == pytest.approx(4.30265 * error, rel=1e-5)
    assert found["intercept"] == pytest.approx(intercept)
    assert found["r2"] == pytest.approx(1 - np.sum(residual**2) / np.sum((y - y.mean()) ** 2))
    assert line([0.5, 0.6], [0.1, 0.2]) is None
    assert line([0.5] * 4, [0.1, 0.2, 0.3, 0.4]) is None


@pytest.mark.parametrize("slope", [1.0, 0.6])
def test_the_interval_of_the_slope_holds_the_true_one_as_often_as_it_says(slope):
    rng = np.random.RandomState(5)
    means = [
        [[np.mean(list(getattr(one, side).values.values())) for one in found] for side in ("inside", "outside")]
        for found in (drawn(slope, rng) for _ in range(1000))
    ]
    found = [line(*one) for one in means]
    inside = np.mean([abs(one["slope"] - slope) <= one["slope_half"] for one in found])
    assert 0.93 <= inside <= 0.97
    parallel = np.mean([abs(one["slope"] - 1) <= one["slope_half"] for one in found])
    assert parallel > 0.9 if slope == 1 else parallel < 0.05


def test_ranks():
    assert correlation([1, 2, 3, 4], [10, 20, 40, 30]) == pytest.approx(0.8)
    assert correlation([1, 2, 3], [5, 5, 5]) is None
    assert correlation([1, 2], [1, 2]) is None


def test_drops_of_the_same_images_are_paired():
    images = np.linspace(0, 0.4, 9)
    found = analyse(points([0.5 + images], [0.4 + images]))
    assert found["paired"]
    (point,) = found["points"]
    assert point["inside"] == pytest.approx(0.7)
    assert point["drop"] == pytest.approx(0.1)
    # The width does not depend on how different the images are.
    assert half(point["drop_interval"]) == pytest.approx(0, abs=1e-9)
    # Student's 97.5 % quantile with 8 degrees of freedom.
    assert half(point["inside_interval"]) == pytest.approx(2.306004 * images.std(ddof=1) / 3)
    apart = analyse(points([0.5 + images], [0.4 + images], apart=50))["points"][0]
    assert half(apart["drop_interval"]) == pytest.approx(np.sqrt(2) * half(point["inside_interval"]))


def test_images_of_one_volume_are_no_independent_draws():
    values = np.repeat(np.linspace(0.4, 0.8, 5), 4)
    one = Point("a", "a", "unet", scores(values, per_volume=4), scores(values, per_volume=4))
    found = analyse([one])
    assert found["volumes"] == [5, 5]
    expected = 2.776445 * np.std(values[::4], ddof=1) / np.sqrt(5)
    assert half(found["points"][0]["inside_interval"]) == pytest.approx(expected)


def test_only_images_that_all_methods_have_count():
    whole, part = scores([0.5, 0.6, 0.9]), scores([0.7, 0.8])
    found = analyse([Point("a", "a", "unet", whole, whole), Point("b", "b", "unet", part, whole)])
    assert (found["n_inside"], found["n_outside"]) == (2, 3)
    assert found["points"][0]["inside"] == pytest.approx(0.55)


def test_equal_drops_are_told_from_unequal_ones():
    rng = np.random.RandomState(1)
    hard = rng.normal(scale=0.05, size=20)
    insides = np.array([[0.6], [0.7], [0.8]]) + hard + rng.normal(scale=0.004, size=(3, 20))
    equal = analyse(points(insides, insides - 0.1 + rng.normal(scale=0.004, size=(3, 20))))["spread"]
    assert equal["value"] <= half(equal["interval"]) < 0.01
    unequal = analyse(points(insides, insides - np.array([[0.1], [0.1], [0.2]])))["spread"]
    assert unequal["most"] == "method 2 (knee)"
    assert unequal["value"] == pytest.approx(0.1)
    assert half(unequal["interval"]) < 0.01


def test_hard_images_are_hard_for_all_or_not():
    rng = np.random.RandomState(2)
    shared = rng.normal(size=30)
    alike = analyse(points([shared, 2 * shared + 1, shared**3], [shared] * 3))["hard"]
    assert (alike["inside"]["mean"], alike["inside"]["least"]) == (pytest.approx(1), pytest.approx(1))
    assert alike["inside"]["mean_interval"]["low"] > 0.9
    apart = analyse(points([rng.normal(size=30) for _ in range(4)], [shared] * 4))["hard"]["inside"]
    assert abs(apart["mean"]) < 0.3


def comparison(axis, results, **changes):
    one = AXES[axis]
    return {
        "name": f"{axis}, knee", "axis": axis, "kind": "same model", "inside": "knee", "outside": f"knee + {axis}",
        "words": one.words, "paper": one.paper, "parts": list(one.parts), "results": results,
    } | changes  # fmt: skip


def said(axis, found, **changes):
    return " ".join(findings([comparison(axis, analyse(found), **changes)]))


def test_sentences_say_which_way_it_went():
    rng = np.random.RandomState(3)
    parallel = said("anatomy", drawn(1.0, rng))
    assert "1, parallel to y = x, cannot be excluded (the paper's parallel line: not excluded)" in parallel
    assert "has a rank correlation of 1.00 (95 %: 0.82 to 1.00); method 7 (knee) stays the best" in parallel
    assert "published: another anatomy costs all methods alike, a line of slope 1: not excluded (slope: " in parallel
    assert (
        "published: a shift keeps the order of the methods: yes (rank correlation of the order before and after: "
        in parallel
    )
    flat = said("anatomy", drawn(0.5, rng))
    assert "not parallel to y = x but flatter (the paper's parallel line: no)" in flat
    assert "(the paper's equal drops: no)" in flat
    assert "another anatomy costs all methods alike, a line of slope 1: no (slope: 0." in flat
    assert "the drops are not equal, method 7 (knee) loses" in flat
    # The paper did not study these shifts, so there is nothing to agree with.
    assert "paper" not in said("noise", drawn(0.5, rng))
    images = np.array([0, 0.01, 0.02])
    few = np.array([[0.5], [0.6], [0.7]]) + images, np.array([[0.3], [0.6], [0.4]]) + images
    vague = said("noise", points(*few))
    assert "neither 1, parallel to y = x, nor 0, no relation, can be excluded" in vague
    assert "3 volumes are too few for intervals of scores, so that ranges stand for them" in vague
    assert "has a rank correlation of 0.50 (too few to tell)" in vague
    assert "whether images hard for one are hard for the others cannot be told" in vague
    assert "a shift keeps the order of the methods: cannot tell" in vague
    assert said("noise", points(*(one[:, :1] for one in few))) == ""  # one image gives no findings
    assert "images hard for one are mostly hard for the others" in parallel


def test_published_claims_are_judged_over_all_comparisons_that_bear_on_them():
    rng = np.random.RandomState(3)
    lines = {"contrast": 1.0, "resolution": 0.5, "dataset-2021": 1.0, "acceleration": 1.0}
    told = findings([comparison(axis, analyse(drawn(slope, rng))) for axis, slope in lines.items()])
    assert any("another data set costs all methods alike, a line of slope 1: in part (slope: " in one for one in told)
    assert any("acceleration and mask cost all methods alike, a line of slope 1: not excluded" in one for one in told)
    # Five methods fall, and two do not move.
    inside = np.linspace(0.6, 0.9, 7)[:, None] + rng.normal(scale=0.01, size=(7, 12))
    falls = np.array([0.1] * 5 + [0.0] * 2)[:, None] + rng.normal(scale=0.001, size=(7, 12))
    hard = findings([comparison("hard", analyse(points(inside, inside - falls + np.arange(12) % 2 * 1e-3)))])
    assert hard[-1] == (
        "published: images that are hard for one method are hard for all: in part (5 of 7 fall beyond their intervals)."
    )


def test_a_confounded_shift_is_set_beside_its_parts():
    inside = np.full((3, 6), 0.8) + np.arange(6) / 100
    both = analyse(points(inside, inside - 0.3))
    apart = [comparison(axis, analyse(points(inside, inside - 0.1))) for axis in AXES["dataset-2021"].parts]
    told = findings([comparison("dataset-2021", both), *apart])
    assert (
        "dataset-2021, knee: together the parts change SSIM by -0.300, contrast alone by -0.100, resolution alone by "
        "-0.100, noise alone by -0.100." in told
    )
    assert any("confounded: contrast and resolution and noise change together" in one for one in told)
    assert not any("together the parts" in one for one in findings([comparison("dataset-2021", both)]))


def test_table_and_figure_are_made_of_the_record_alone():
    rng = np.random.RandomState(4)
    found = [comparison("anatomy", analyse(drawn(1.0, rng))), comparison("noise", analyse(drawn(1.0, rng)[:1]))]
    found.append(comparison("anatomy", analyse(drawn(1.0, rng)), kind="same images"))
    assert figure.draw({"comparisons": found}).startswith(b"\x89PNG")
    lines = render(found).splitlines()
    assert lines[0] == "anatomy, knee (another anatomy, all else alike; 12 and 12 images)"
    assert lines[1].split() == ["model", "in", "distribution", "out", "of", "it", "drop"]
    assert len({len(line) for line in lines[1:10]}) == 1


def test_every_method_of_the_registry_can_be_compared():
    assert {one.method for one in VARIANTS.values()} == set(OF_KSPACE)
    assert {one.group for one in VARIANTS.values()} == set(figure._COLOURS)
    assert FILTER not in DEFAULT_VARIANTS
    for one in VARIANTS.values():
        assert {name for name, _ in one.settings} <= set(METHODS[one.method].config.__dataclass_fields__)
    for axis in AXES.values():
        assert set(axis.parts) <= set(AXES)
