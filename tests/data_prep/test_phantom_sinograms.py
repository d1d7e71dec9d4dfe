"""Phantoms of the Radon transform: exact sinograms of ellipses, drawn thoraxes, and what is refused."""

import itertools
from functools import cache

import numpy as np
import pytest

from data_prep.cases import InputError
from data_prep.phantom import ellipses, sinograms, thorax
from data_prep.phantom.ellipses import Ellipse
from data_prep.phantom.pieces import make_grid
from jaxcs.operators import Radon
from jaxcs.operators.radon import enough_detectors, even_angles
from tests.helpers.asserts import relative_error

SIZE = 32
RADON = Radon(even_angles(40), SIZE, enough_detectors(SIZE))
FAMILIES, SPLITS = ("ellipses", "thorax"), ("train", "validation", "test")


@cache
def case(family, split="test", index=2):
    return sinograms.case(family, split, index, RADON)


def draw_thorax(index, size=128):
    return thorax.draw(np.random.RandomState([3, 0, index]), make_grid((size, size), thorax.FIELD_OF_VIEW[0] / size))


def test_sinogram_of_one_ellipse_is_chords():
    """Through the centre of a wide ellipse, along and across, in pixels; nothing outside its shadow."""
    one = Ellipse(2.0, 0.25, -0.5, (0.4, 0.2), 0.0)  # its centre is 4 rows below and 8 columns left of the image's
    upright, flat = ellipses.sinogram([one], Radon((0.0, 90.0), SIZE, 33))
    assert upright[16 - 8] == pytest.approx(2 * 2 * 0.2 * 16)
    assert flat[16 - 4] == pytest.approx(2 * 2 * 0.4 * 16)
    np.testing.assert_array_equal(np.flatnonzero(upright), np.arange(2, 15))
    np.testing.assert_array_equal(np.flatnonzero(flat), np.arange(9, 16))


def test_sinogram_is_that_of_the_drawing():
    """Up to what pixels can show; each view holds the object's whole mass."""
    drawn = ellipses.random_ellipses(np.random.RandomState(5))
    exact, image = ellipses.sinogram(drawn, RADON), ellipses.draw(drawn, SIZE)
    assert (
        relative_error(RADON.forward(image.astype(np.float32)), exact) < 0.04
    )  # 0.08 if the object is half a pixel lower
    mass = sum(np.pi * one.value * one.radii[0] * one.radii[1] * (SIZE / 2) ** 2 for one in drawn)
    np.testing.assert_allclose(exact.sum(1), mass, rtol=0.02)
    assert np.sum(image) == pytest.approx(mass, rel=0.01)


def test_ellipses_stay_inside_the_disc_and_vary():
    drawn = [ellipses.random_ellipses(np.random.RandomState(seed)) for seed in range(80)]
    assert {len(one) for one in drawn} == set(range(5, 16))
    for one in itertools.chain(*drawn):
        assert np.hypot(one.y, one.x) + max(one.radii) <= 0.92 + 1e-9
        assert 0.1 <= one.value <= 1


def test_thorax_is_dark_lungs_in_a_bright_wall():
    for index in range(4):
        image = draw_thorax(index)
        assert image.min() == 0
        assert 1.5 < image.max() < 1.8  # cortical bone
        assert not np.any(image[[0, -1]])
        assert not np.any(image[:, [0, -1]])
        lung = np.mean((image > 0.15) & (image < 0.4))
        soft = np.mean((image > 0.85) & (image < 1.4))
        assert 0.08 < lung < 0.3
        assert 0.15 < soft < 0.5
    assert relative_error(draw_thorax(0), draw_thorax(1)) > 0.1


@pytest.mark.parametrize(
    ("family", "expected"),
    [
        ("ellipses", [1.384111, 0.6872614, 0.1181864, 7.876147, 187.9988]),
        ("thorax", [1.570844, 1.045933, 0.3272597, 14.62861, 463.9535]),
    ],
)
def test_fingerprint(family, expected):
    one = case(family)
    values = [one.data_range, one.target[16, 16], one.target.mean(), one.sinogram[7, 20], np.linalg.norm(one.sinogram)]
    np.testing.assert_allclose(values, expected, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_cases(family):
    one = case(family)
    assert (one.name, one.volume) == (f"phantom-{family}-test-0002:0", f"phantom-{family}-test-0002")
    assert one.sinogram.shape == (40, RADON.detectors)
    assert one.sinogram.dtype == one.target.dtype == np.float32
    np.testing.assert_allclose(one.target, RADON.fbp(one.sinogram), atol=1e-6)
    assert one.data_range == one.target.max()
    again = list(sinograms.cases(family, "test", 3, RADON))[2]
    np.testing.assert_array_equal(again.sinogram, one.sinogram)
    others = [case(family, split, index) for split in SPLITS for index in (0, 1)]
    for a, b in itertools.combinations(others, 2):
        assert relative_error(a.sinogram, b.sinogram) > 0.05


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("knee", "test", 0), "unknown family 'knee', choose from ellipses, thorax"),
        (("thorax", "tset", 0), "unknown split 'tset'"),
        (("thorax", "test", -1), "must not be negative, got -1"),
    ],
)
def test_phantoms_that_do_not_exist_are_refused(arguments, words):
    for make in (sinograms.case, sinograms.cases):
        with pytest.raises(InputError, match=words):
            make(*arguments, RADON)


def test_an_object_that_the_detectors_cut_is_refused():
    image = np.zeros((SIZE, SIZE), np.float32)
    image[10:20, 8:25] = 1
    few = Radon(even_angles(40), SIZE, SIZE)
    assert sinograms.of_image("a:0", "a", image, few).target.max() > 0.9
    image[:3, :2] = 0.5
    with pytest.raises(InputError, match="a:0: 32 detectors cut the object: some views miss 6 of its pixels"):
        sinograms.of_image("a:0", "a", image, few)
    assert sinograms.of_image("a:0", "a", image, RADON).target[0, 0] > 0.2


def test_images_that_cannot_be_projected_are_refused():
    with pytest.raises(InputError, match=r"a:0: the image is \(32, 31\); the acquisition needs \(32, 32\)"):
        sinograms.of_image("a:0", "a", np.ones((32, 31)), RADON)
    image = np.ones((SIZE, SIZE))
    image[3, 4] = np.nan
    with pytest.raises(InputError, match="a:0: the image holds numbers that are not finite"):
        sinograms.of_image("a:0", "a", image, RADON)
    with pytest.raises(InputError, match="a:0: 40 of 40 views hold only zeros"):
        sinograms.of_image("a:0", "a", 0 * np.ones((SIZE, SIZE)), RADON)


def test_sinograms_with_missing_views_are_refused():
    y = case("thorax").sinogram.copy()
    for bad in (y[:39], y[:, :30], y[:0], y[0]):
        with pytest.raises(InputError, match=r"a:0: the sinogram is .*; the acquisition has \(40, 47\)"):
            sinograms.of_sinogram("a:0", "a", bad, RADON)
    y[[3, 9]] = 0
    with pytest.raises(InputError, match="a:0: 2 of 40 views hold only zeros, the first of them view 3"):
        sinograms.of_sinogram("a:0", "a", y, RADON)
    y[3] = np.inf
    with pytest.raises(InputError, match="not finite"):
        sinograms.of_sinogram("a:0", "a", y, RADON)
