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
VIEWS = 6
FAMILIES, SPLITS = ("ellipses", "thorax"), ("train", "validation", "test")


@cache
def case(family, split="test", index=2):
    return sinograms.case(family, split, index, SIZE, VIEWS)


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


@pytest.mark.parametrize("family", FAMILIES)
def test_a_case_is_a_noisy_sinogram_with_a_clean_target(family):
    one = case(family)
    assert (one.name, one.volume) == (f"phantom-{family}-test-0002:0", f"phantom-{family}-test-0002")
    assert one.kspace.shape == sinograms.shape(SIZE, VIEWS) == (1, enough_detectors(SIZE), VIEWS)
    assert one.kspace.dtype == one.target.dtype == one.maps.dtype == np.float32
    assert one.data_range == one.target.max()
    assert one.mask.all()
    assert one.mask.shape == one.kspace.shape[1:]
    assert one.maps.shape == (1, SIZE, SIZE)
    # The same object with all views of the target, in which the noise is the only difference.
    whole = sinograms.case(family, "test", 2, SIZE, 60)
    radon = Radon(even_angles(60), SIZE, enough_detectors(SIZE))
    clean = np.asarray(radon.forward(whole.target)).T
    np.testing.assert_allclose(whole.kspace[0, :, ::10], one.kspace[0], atol=10 * sinograms.NOISE * clean.max())
    assert relative_error(radon.fbp(whole.kspace[0].T), whole.target) < 0.1
    again = list(sinograms.cases(family, "test", 3, SIZE, VIEWS))[2]
    np.testing.assert_array_equal(again.kspace, one.kspace)
    others = [case(family, split, index) for split in SPLITS for index in (0, 1)]
    for a, b in itertools.combinations(others, 2):
        assert relative_error(a.kspace, b.kspace) > 0.05


def test_noise_has_its_standard_deviation():
    """A large sinogram, against that of another number of views, whose first view is the same without noise."""
    image = np.zeros((64, 64))
    image[20:40, 20:44] = 1
    one = sinograms.of_image("a:0", "a", image, 40)
    radon = Radon(even_angles(40), 64, enough_detectors(64))
    clean = np.asarray(radon.forward(image.astype(np.float32))).T
    assert np.std(one.kspace[0] - clean) == pytest.approx(sinograms.NOISE * clean.max(), rel=0.05)


def test_usual_views_are_the_published_ones_in_proportion():
    assert [sinograms.usual_views(size) for size in (512, 128, 5)] == [50, 12, 1]


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
            make(*arguments)


def test_images_and_views_that_cannot_be_are_refused():
    with pytest.raises(InputError, match=r"a:0: the image is \(32, 31\); a sinogram needs a square one"):
        sinograms.of_image("a:0", "a", np.ones((32, 31)), 3)
    for value in (np.nan, 0.0):
        with pytest.raises(InputError, match="a:0: the image is zero or not finite"):
            sinograms.of_image("a:0", "a", np.full((SIZE, SIZE), value), 3)
    with pytest.raises(InputError, match="views: 0 is too few"):
        sinograms.case("thorax", "test", 0, SIZE, 0)
