"""Small features: shapes, insertion, scores and the search, each against an independent computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcs.attacks import apgd
from jaxcs.features import insert, scores
from jaxcs.features.shapes import SHAPES
from jaxcs.features.worst import Visible, share_lost, worst_profile
from jaxcs.fourier import ifft2c
from tests.helpers.asserts import complex_normal, relative_error

GRID = (12, 10)


def some_background(rng, coils=3):
    maps = complex_normal(rng, (coils, *GRID))
    maps = maps / jnp.sqrt(jnp.sum(jnp.abs(maps) ** 2, axis=0))
    return insert.background(complex_normal(rng, (coils, *GRID)), maps, GRID)


def transform(images):
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(images, axes=(-2, -1)), norm="ortho"), axes=(-2, -1))


@pytest.mark.parametrize("name", SHAPES)
def test_a_profile_is_between_0_and_1_and_moves_with_its_centre(name):
    shape = SHAPES[name](GRID, jnp.asarray([5.0, 4.0]), jnp.asarray(4.0))
    assert float(shape.min()) >= 0
    assert 0.5 < float(shape.max()) <= 1
    moved = SHAPES[name](GRID, jnp.asarray([6.0, 4.0]), jnp.asarray(4.0))
    np.testing.assert_allclose(moved[2:], shape[1:-1], atol=1e-6)
    slope = jax.grad(lambda centre: jnp.sum(SHAPES[name](GRID, centre, jnp.asarray(4.0)) ** 2))(jnp.asarray([5.0, 4.0]))
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_square_is_whole_pixels(size):
    centre = jnp.asarray([3 + (size - 1) / 2, 2 + (size - 1) / 2])
    expected = np.zeros(GRID)
    expected[3 : 3 + size, 2 : 2 + size] = 1
    np.testing.assert_array_equal(SHAPES["square"](GRID, centre, jnp.asarray(float(size))), expected)


@pytest.mark.parametrize("name", ["blob", "lesion"])
def test_soft_profiles_are_differentiable_in_their_centre(name):
    weight = jnp.asarray(np.random.RandomState(0).normal(size=GRID), jnp.float32)
    total = lambda centre: jnp.sum(weight * SHAPES[name](GRID, centre, jnp.asarray(4.0)))  # noqa: E731
    check_grads(total, (jnp.asarray([5.3, 4.2]),), 1, ["rev"], rtol=2e-2)


def test_a_feature_goes_through_coils_and_fourier_transform():
    back = some_background(np.random.RandomState(0))
    insertion = insert.Insertion("square", 3.0, 0.5)
    profile = insert.profile(insertion, back, jnp.asarray([5.0, 4.0]), jnp.asarray(3.0))
    kspace = np.asarray(insert.inserted(back, insert.coil_images(insertion, back, profile)))
    maps, whole = np.asarray(back.maps), np.asarray(back.kspace)
    patch = np.zeros(GRID, np.complex64)
    peak = np.sqrt(np.sum(np.abs(np.asarray(ifft2c(back.kspace))) ** 2, axis=0)).max()
    patch[4:7, 3:6] = 0.5 * peak * np.asarray(back.phase)[4:7, 3:6]
    assert relative_error(kspace, whole + transform(maps * patch)) < 1e-5
    np.testing.assert_allclose(np.abs(back.phase), 1, atol=1e-5)


def test_the_paper_s_text_fills_three_pixels_with_the_largest_value():
    back = some_background(np.random.RandomState(1))
    one = insert.PRESETS["rc2021"]
    profile = insert.profile(one, back, jnp.asarray([5.0, 4.0]), jnp.asarray(one.size))
    kspace = insert.inserted(back, insert.coil_images(one, back, profile))
    combined = jnp.sum(jnp.conj(back.maps) * ifft2c(kspace), axis=0)
    np.testing.assert_allclose(jnp.abs(combined)[4:7, 3:6], back.peak, rtol=1e-4)
    outside = np.asarray(profile) == 0
    np.testing.assert_allclose(np.asarray(combined)[outside], np.asarray(back.combined)[outside], atol=1e-5)


def test_the_paper_s_code_adds_a_constant_to_each_coil():
    back = some_background(np.random.RandomState(2))
    one = insert.PRESETS["rc2021_code"]
    profile = insert.profile(one, back, jnp.asarray([5.0, 4.0]), jnp.asarray(one.size))
    coils = np.asarray(ifft2c(insert.inserted(back, insert.coil_images(one, back, profile)) - back.kspace))
    expected = np.zeros((3, *GRID))
    expected[:, 3:8, 2:7] = float(jnp.max(back.truth)) / 6
    np.testing.assert_allclose(coils, expected, atol=1e-5)


def test_local_contrast_is_relative_to_the_image_under_the_feature():
    back = some_background(np.random.RandomState(3))
    profile = SHAPES["square"](GRID, jnp.asarray([5.0, 4.0]), jnp.asarray(3.0))
    height = insert.amplitude(insert.Insertion(contrast=0.2, reference="local"), back, profile)
    assert float(height) == pytest.approx(0.2 * float(np.asarray(back.truth)[4:7, 3:6].mean()), rel=1e-5)


def test_columns_that_were_never_acquired_stay_empty():
    back = some_background(np.random.RandomState(4))
    back = back._replace(kspace=back.kspace.at[..., :2].set(0))
    kspace = insert.inserted(back, jnp.ones_like(back.maps))
    assert not np.any(np.asarray(kspace)[..., :2])


def test_scores_against_numpy():
    random = np.random.RandomState(5)
    image, truth = random.normal(size=(2, *GRID))
    weight = np.zeros(GRID)
    weight[2:5, 3:6] = 1
    box = (slice(2, 5), slice(3, 6))
    standard = [(x - x.mean()) / x.std() for x in (image, truth)]
    expected = np.mean((standard[0] - standard[1])[box] ** 2)
    assert float(scores.standardised_mse(image, truth, weight)) == pytest.approx(expected, rel=1e-4)
    assert float(scores.contrast_kept(0.3 * truth, truth, weight)) == pytest.approx(0.3, rel=1e-5)
    assert float(scores.feature_error(0.3 * truth, truth, weight)) == pytest.approx(0.49, rel=1e-4)
    assert np.isnan(scores.contrast_kept(truth, np.zeros(GRID), weight))


def test_the_observer_s_signal_to_noise_is_that_of_white_noise():
    random = np.random.RandomState(6)
    signal = np.zeros(GRID)
    signal[2:5, 3:6] = 1.5
    noisy = 0.5 * random.normal(size=(4000, *GRID))
    # For a known signal in white noise: its norm divided by the standard deviation.
    found = float(scores.detectability(signal, signal, noisy))
    assert found == pytest.approx(np.linalg.norm(signal) / 0.5, rel=4 / np.sqrt(2 * 3999))


def window():
    support = np.zeros((6, 5), bool)
    support[1:5, 1:4] = True
    return support


def linear(random):
    support = window()
    matrix = np.zeros((30, 30), np.float32)
    inside = np.flatnonzero(support)
    matrix[np.ix_(inside, inside)] = 0.4 * random.normal(size=(12, 12))
    return support, matrix, lambda f: ((jnp.asarray(matrix) @ f.ravel()).reshape(6, 5), f)


def test_of_a_linear_method_the_search_finds_the_eigenvector_and_beats_every_square():
    support, matrix, differences = linear(np.random.RandomState(7))
    inside = np.flatnonzero(support)
    lost = np.eye(12) - (matrix + matrix.T)[np.ix_(inside, inside)] / 2
    exact = np.linalg.eigvalsh(lost)[-1]
    # Without a floor, all features of norm 1 are allowed.
    allowed = Visible(jnp.asarray(1.0), jnp.asarray(support), floor=jnp.asarray(-jnp.inf))
    start = jnp.asarray(support / np.sqrt(support.sum()), jnp.float32)
    attack = apgd.build(apgd.Config(n_steps=60, restarts=2))
    found = worst_profile(attack, jax.random.key(0), differences, allowed, start)
    assert 0.99 * exact <= float(found.loss) <= 1.001 * exact
    for row in range(1, 4):
        for column in range(1, 3):
            square = np.zeros((6, 5), np.float32)
            square[row : row + 2, column : column + 2] = 0.5
            assert float(share_lost(*differences(jnp.asarray(square)))) <= float(found.loss)


def test_what_the_search_finds_is_visible_and_no_random_feature_loses_more():
    support, _, differences = linear(np.random.RandomState(8))
    allowed = Visible(jnp.asarray(1.0), jnp.asarray(support), floor=jnp.asarray(0.2))
    start = jnp.asarray(support / np.sqrt(support.sum()), jnp.float32)
    attack = apgd.build(apgd.Config(n_steps=40))
    found = worst_profile(attack, jax.random.key(0), differences, allowed, start)
    delta = np.asarray(found.delta)
    assert delta[support].mean() >= 0.2 - 1e-5
    assert np.linalg.norm(delta) <= 1 + 1e-5
    assert not delta[~support].any()
    for key in jax.random.split(jax.random.key(1), 20):
        assert float(share_lost(*differences(allowed.random(key)))) <= float(found.loss)


def test_projection_is_the_nearest_visible_feature():
    support = window()
    allowed = Visible(jnp.asarray(1.0), jnp.asarray(support), floor=jnp.asarray(0.2))
    random = np.random.RandomState(9)
    for _ in range(5):
        point = random.normal(size=(6, 5)).astype(np.float32)
        nearest = np.asarray(allowed.project(jnp.asarray(point)))
        np.testing.assert_allclose(allowed.project(jnp.asarray(nearest)), nearest, atol=1e-5)
        # The variational inequality of a projection onto a convex set.
        for key in jax.random.split(jax.random.key(2), 10):
            other = np.asarray(allowed.random(key))
            assert np.sum((point - nearest)[support] * (other - nearest)[support]) <= 1e-4
