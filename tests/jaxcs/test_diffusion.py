"""Diffusion: preconditioning in NumPy, sampling against exact posteriors, gradients, the training's loss."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.complex import abs2
from jaxcs.nets import score
from jaxcs.operators import Sense
from jaxcs.recon import diffusion
from jaxcs.solvers.annealed import noise_levels
from jaxcs.types import Measurement
from tests.helpers.asserts import complex_normal, relative_error
from tests.helpers.compiling import quick

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
CONFIG = diffusion.Config(channels=4, levels=2, steps=4, noise=0.05, cg_iters=40)
NET = score.score_net(CONFIG.channels, CONFIG.levels)
# Parameters of zeros: the denoiser of images with independent Gaussian pixels.
GAUSSIAN = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), jax.eval_shape(NET.init, KEY))


def problem(shape=(4, 6), coils=2, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.arange(shape[1]) % 2 == 0
    maps = complex_normal(rng, (coils, *shape))
    maps = maps / jnp.sqrt(jnp.sum(abs2(maps), 0))
    kspace = 0.3 * complex_normal(rng, (coils, *shape))
    return Measurement(jnp.where(mask, kspace, 0), jnp.asarray(mask), maps)


def test_the_denoiser_is_preconditioned_as_published():
    params, rng = NET.init(KEY), np.random.default_rng(0)
    module = score._ScoreUnet(CONFIG.channels, CONFIG.levels)
    data = score.SIGMA_DATA
    for sigma in (0.02, 0.3, 4.0):
        x = np.asarray(complex_normal(rng, (9, 14)))
        mean, spread = quick(NET.apply)(params, x, jnp.float32(sigma))
        parts = np.stack([x.real, x.imag], -1)
        network, log_variance = quick(module.apply)(
            {"params": params}, parts / np.sqrt(sigma**2 + data**2), jnp.float32(np.log(sigma) / 4)
        )
        factor = sigma * data / np.sqrt(sigma**2 + data**2)
        expected = data**2 / (sigma**2 + data**2) * parts + factor * np.asarray(network, np.float64)
        assert relative_error(mean, expected @ [1, 1j]) < 1e-6
        np.testing.assert_allclose(spread, factor * np.exp(np.float64(log_variance) / 2), rtol=1e-5)


def test_the_network_sees_and_gives_numbers_of_unit_variance():
    rng = np.random.default_rng(0)
    clean, noise = (rng.normal(size=200_000) for _ in range(2))
    clean *= score.SIGMA_DATA
    for sigma in (0.01, 0.25, 3.0):
        root, skip, out = score.preconditioning(jnp.float32(sigma))
        seen = clean + sigma * noise
        np.testing.assert_allclose(np.std(seen / root), 1, atol=0.01)
        np.testing.assert_allclose(np.std((clean - skip * seen) / out), 1, atol=0.01)


def test_a_network_that_knows_the_variance_alone_has_a_loss_of_1():
    image = score.SIGMA_DATA * score.complex_noise(KEY, (8, 8))
    found = jax.jit(jax.vmap(lambda key: score.matching_loss(NET, GAUSSIAN, image, key)))(jax.random.split(KEY, 2000))
    # Over noise levels and noise; the image is one draw of 128 numbers.
    np.testing.assert_allclose(np.mean(found), 1, atol=0.1)


def test_the_noise_levels_are_those_of_the_formula():
    n, first, last = 5, 3.0, 0.01
    expected = [(first ** (1 / 7) + i / (n - 1) * (last ** (1 / 7) - first ** (1 / 7))) ** 7 for i in range(n)]
    np.testing.assert_allclose(noise_levels(first, last, n), expected, rtol=1e-6)
    np.testing.assert_allclose(noise_levels(first, last, 1), [first], rtol=1e-6)


def test_samples_have_the_exact_mean_and_variance_of_a_gaussian_posterior():
    """The last step gives the mean of what its noisy image leaves open, whose variance is therefore missing."""
    m = problem()
    shape, count = m.maps.shape[1:], 4000
    config = replace(CONFIG, first=30.0, last=0.05, steps=6)
    sense = Sense(m.maps, m.mask)
    sample = jax.jit(jax.vmap(lambda key: diffusion.sample(config, NET, GAUSSIAN, sense, m.kspace, key)))
    found = np.asarray(sample(jax.random.split(KEY, count))).reshape(count, -1)

    units = jnp.eye(found.shape[1], dtype=jnp.complex64).reshape(-1, *shape)
    a = np.asarray(jax.vmap(sense.forward)(units)).reshape(len(units), -1).T.astype(np.complex128)
    precision = a.conj().T @ a / config.noise**2 + np.eye(len(units)) / score.SIGMA_DATA**2
    covariance = np.linalg.inv(precision)
    mean = covariance @ (a.conj().T @ np.asarray(m.kspace).ravel()) / config.noise**2
    covariance = covariance - np.linalg.inv(precision + np.eye(len(units)) / config.last**2)

    deviation = found - found.mean(0)
    error = np.sqrt(2 * np.real(np.diag(covariance)) / count)
    assert np.all(np.abs(found.mean(0) - mean) < 4.5 * error)
    # A complex number has the variance of both of its parts.
    assert relative_error(deviation.T.conj() @ deviation / (2 * count), covariance.conj()) < 0.06
    assert relative_error(mean, a.conj().T @ np.asarray(m.kspace).ravel()) > 0.1


def test_a_key_decides_the_image_and_nothing_else_does():
    m, method = problem(), diffusion.build(CONFIG)
    params = method.init(KEY)
    first, second = (np.asarray(method.apply(params, m, jax.random.key(seed))) for seed in (1, 2))
    np.testing.assert_array_equal(first, method.apply(params, m, jax.random.key(1)))
    assert relative_error(second, first) > 0.01
    scaled = method.apply(params, m._replace(kspace=1e-6 * m.kspace), jax.random.key(1))
    assert relative_error(scaled, 1e-6 * first) < 1e-4


def test_the_gradient_through_all_steps_is_a_difference_quotient():
    m, method = problem(), diffusion.build(CONFIG)
    params = method.init(KEY)
    rng = np.random.default_rng(1)
    direction = np.where(m.mask, complex_normal(rng, m.kspace.shape), 0)

    def loss(kspace):
        return jnp.sum((method.apply(params, m._replace(kspace=kspace), KEY) - 0.5) ** 2)

    evaluate = quick(jax.value_and_grad(loss))
    step = 2e-3
    ends = [evaluate(m.kspace + sign * step * direction)[0] for sign in (1, -1)]
    quotient = (ends[0] - ends[1]) / (2 * step)
    slope = np.real(np.sum(np.asarray(evaluate(m.kspace)[1]) * direction))
    np.testing.assert_allclose(slope, quotient, rtol=5e-3)


def test_a_step_along_the_gradient_lowers_the_training_loss():
    m = problem((8, 8))
    everywhere = jnp.ones(8, bool)
    image = score.complex_noise(KEY, (8, 8))
    whole = Measurement(Sense(m.maps, everywhere).forward(image), everywhere, m.maps)
    evaluate = quick(jax.value_and_grad(lambda params: diffusion.train_loss(CONFIG)(params, whole, KEY)))
    params = NET.init(KEY)
    value, slope = evaluate(params)
    lower, _ = evaluate(jax.tree.map(lambda p, g: p - 0.01 * g, params, slope))
    assert lower < value


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"steps": 0}, "steps is 0; it must be at least 1"),
        ({"first": 0.1, "last": 0.2}, "last is 0.2 and first 0.1; need 0 < last <= first"),
        ({"noise": 0.0}, "noise is 0; it must be above 0"),
        ({"last": float("nan")}, "last is nan"),
    ],
)
def test_a_configuration_checks_itself(settings, problem):
    with pytest.raises(ValueError, match=problem):
        diffusion.Config(**settings)
