"""Randomised smoothing around a method: its noise, its averages and its gradient, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcs
from jaxcs.recon import METHODS, fbp, in_defence, sense, unet, zero_filled
from jaxcs.recon.smoothed import center, noise, noise_keys, rounded
from jaxcs.recon.wrapped import wrapped
from jaxcs.types import Measurement
from tests.helpers.asserts import assert_gradient, relative_error
from tests.helpers.compiling import quick
from tests.jaxcs.test_recon import measurement

KEY = jax.random.key(0)
M = measurement((16, 12), 3)


def smoothed(config, **settings):
    """The method in its defence, and its configuration."""
    found = in_defence(config, **settings)
    return found.defended.build(found), found


def test_the_noise_has_the_unit_of_epsilon_and_is_white_on_the_samples():
    draws = np.asarray(jax.vmap(lambda key: noise(key, M, 0.03))(noise_keys(KEY, 400)))
    assert np.all(draws[:, :, :, ~np.asarray(M.mask)] == 0)
    squares = np.sum(np.abs(draws) ** 2, axis=(1, 2, 3))
    size = float(rounded(jnp.linalg.norm(M.kspace)))
    assert size == pytest.approx(np.linalg.norm(M.kspace), rel=0.05)
    assert np.sqrt(squares.mean()) == pytest.approx(0.03 * size, rel=0.02)
    power = np.mean(np.abs(draws[..., np.asarray(M.mask)]) ** 2, axis=0)
    assert 0.7 * power.mean() < power.min() < power.max() < 1.4 * power.mean()
    assert np.var(draws.real) == pytest.approx(np.var(draws.imag), rel=0.03)
    assert len(np.unique(draws[:, 0, 0, np.flatnonzero(M.mask)[0]])) == 400


def test_a_norm_is_rounded_to_the_nearest_power():
    norms = np.geomspace(1e-3, 1e3, 50)
    expected = 1.1 ** np.round(np.log(norms) / np.log(1.1))
    np.testing.assert_allclose(jax.vmap(rounded)(jnp.float32(norms)), expected, rtol=1e-4)
    assert float(rounded(jnp.float32(0))) == 0
    assert float(jax.grad(rounded)(1.0)) == 0


def test_the_mean_is_that_of_reconstructions_of_noisy_data():
    method, _ = smoothed(sense.Config(0.05), smoothing=0.1, draws=5)
    plain = sense.build(sense.Config(0.05))
    images = [
        np.asarray(plain.apply({}, M._replace(kspace=M.kspace + noise(key, M, 0.1)), KEY), np.float64)
        for key in noise_keys(KEY, 5)
    ]
    assert relative_error(method.apply({}, M, KEY), np.mean(images, axis=0)) < 1e-5
    assert relative_error(images[0], images[1]) > 0.01


def test_the_centre_is_that_of_the_smallest_ball_with_more_than_half():
    rng = np.random.default_rng(1)
    for count in (1, 2, 5, 8):
        images = rng.normal(size=(count, 4, 3)).astype(np.float32)
        images[: count // 3] += 50  # outliers, to which the mean would follow
        distances = np.linalg.norm((images[:, None] - images[None]).reshape(count, count, -1), axis=-1)
        radii = np.sort(distances, axis=1)[:, count // 2]
        np.testing.assert_array_equal(center(jnp.asarray(images)), images[np.argmin(radii)])


@pytest.mark.parametrize("average", ["mean", "center"])
def test_the_gradient_is_a_difference_quotient_and_finite_at_zero(average):
    config = unet.Config(channels=2, pools=1)
    method, _ = smoothed(config, smoothing=0.05, draws=3, average=average)
    params = unet.build(config).init(KEY)

    def loss(kspace):
        image = method.apply(params, M._replace(kspace=kspace), KEY)
        return jnp.sum((image - 0.5) ** 2)

    assert_gradient(loss, M.kspace)


def test_a_batch_equals_a_loop_and_the_key_decides():
    method, _ = smoothed(zero_filled.Config(), smoothing=0.1, draws=2)
    cases = [measurement((16, 12), 3, seed) for seed in range(2)]
    batch = jax.tree.map(lambda *leaves: jnp.stack(leaves), *cases)
    found = quick(jax.vmap(lambda m: method.apply({}, m, KEY)))(batch)
    for m, image in zip(cases, found, strict=True):
        assert relative_error(image, method.apply({}, m, KEY)) < 1e-5
    assert relative_error(method.apply({}, M, KEY), method.apply({}, M, jax.random.key(1))) > 0.01


def test_a_sinogram_has_real_noise():
    rng = np.random.default_rng(0)
    sinogram = Measurement(
        jnp.asarray(rng.random((1, 24, 9)), jnp.float32), jnp.ones((24, 9), bool), jnp.ones((1, 16, 16), jnp.float32)
    )
    drawn = noise(KEY, sinogram, 0.1)
    assert drawn.dtype == jnp.float32
    assert np.linalg.norm(drawn) == pytest.approx(0.1 * np.linalg.norm(sinogram.kspace), rel=0.2)
    method, _ = smoothed(fbp.Config(), smoothing=0.1, draws=3)
    plain = fbp.build(fbp.Config())
    images = [
        plain.apply({}, sinogram._replace(kspace=sinogram.kspace + noise(key, sinogram, 0.1)), KEY)
        for key in noise_keys(KEY, 3)
    ]
    assert relative_error(method.apply({}, sinogram, KEY), np.mean(images, axis=0)) < 1e-5


def test_the_library_attacks_and_reconstructs_a_smoothed_method():
    config = in_defence(zero_filled.Config(), smoothing=0.05, draws=3)
    image = jaxcs.reconstruct(config, M.kspace, M.mask, M.maps)
    assert relative_error(image, jaxcs.reconstruct("zero_filled", M.kspace, M.mask, M.maps)) > 1e-3
    report = jaxcs.attack(config, M.kspace, M.mask, M.maps, eps=0.1, method="pgd", steps=2)
    np.testing.assert_allclose(report.clean, image, rtol=1e-4, atol=1e-5)
    assert report.method == "zero_filled, smoothed 0.05"
    assert np.linalg.norm(report.attacked - report.clean) > 0


def test_a_defence_has_all_settings_of_its_method_and_checks_them():
    config = in_defence(sense.Config(0.3), smoothing=0.02, draws=4)
    assert (config.lam, config.smoothing, config.draws) == (0.3, 0.02, 4)
    assert config.plain() == sense.Config(0.3)
    assert wrapped(METHODS["sense"], ["lam"]) is METHODS["sense"]
    for settings, problem in (
        ({"smoothing": 0.0}, "smoothing is 0; it must be above 0"),
        ({"smoothing": 0.1, "draws": 0}, "draws is 0"),
        ({"smoothing": 0.1, "average": "median"}, "average 'median' is unknown"),
        ({"smoothing": 0.1, "cyclic": 2}, "smoothing and cyclic: a method has one defence"),
        ({}, "no defence is chosen"),
        ({"cyclic": 2}, "set cyclic_gradient=blind"),
    ):
        with pytest.raises(ValueError, match=problem):
            in_defence(sense.Config(), **settings)
    with pytest.raises(ValueError, match="a method has one defence"):
        wrapped(config.defended, ["cyclic"])
    with pytest.raises(TypeError, match="give a method's Config"):
        in_defence(config, smoothing=0.1)
