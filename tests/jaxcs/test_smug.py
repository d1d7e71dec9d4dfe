"""SMUG: its formula in NumPy with dense matrices, and MoDL as its limit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.nets.residual import residual_cnn
from jaxcs.recon import modl, smug
from jaxcs.recon.staged import stages_of
from tests.helpers.asserts import assert_gradient, relative_error
from tests.helpers.compiling import quick
from tests.jaxcs.test_modl import dense, drawn, problem

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(3)
CONFIG = smug.Config(2, 3, 4, cg_iters=200, noise=0.2, draws=3)


def test_the_image_is_that_of_the_formula_with_dense_matrices():
    m, params = problem(), drawn()
    shape, a = m.maps.shape[1:], dense(m)
    network = quick(residual_cnn(CONFIG.layers, CONFIG.channels).apply)
    weight = 0.05
    zero_filled = a.conj().T @ np.asarray(m.kspace).ravel()
    size = np.abs(zero_filled).max()
    x = zero_filled = zero_filled / size
    for place in range(CONFIG.iterations):
        denoised = []
        for key in jax.random.split(jax.random.fold_in(KEY, place), CONFIG.draws):
            noisy = jnp.complex64(x.reshape(shape)) + 0.2 * jax.random.normal(key, shape, jnp.complex64)
            denoised.append(np.asarray(noisy + network(params["denoiser"], noisy)).ravel())
        x = np.linalg.solve(a.conj().T @ a + weight * np.eye(len(x)), zero_filled + weight * np.mean(denoised, axis=0))
    found = smug.build(CONFIG).apply(params, m, KEY)
    assert relative_error(found, size * np.abs(x).reshape(shape)) < 1e-5
    # The noise is not lost on the way.
    assert relative_error(found, smug.build(CONFIG).apply(params, m, jax.random.key(4))) > 1e-4


def test_without_noise_it_is_modl():
    m, params = problem(), drawn()
    quiet = smug.build(smug.Config(2, 3, 4, noise=0.0, draws=2)).apply(params, m, KEY)
    assert relative_error(quiet, modl.build(modl.Config(2, 3, 4)).apply(params, m, KEY)) < 1e-5


def test_what_is_prepared_gives_the_same_image_and_the_gradient_is_a_difference_quotient():
    m, params, method = problem(), drawn(), smug.build(CONFIG)
    stages = stages_of(method)
    prepared = stages.prepare(params, m.maps, m.mask)

    def loss(kspace):
        return jnp.sum((stages.solve(params, prepared, m._replace(kspace=kspace), KEY).image - 0.5) ** 2)

    assert relative_error(stages.solve(params, prepared, m, KEY).image, method.apply(params, m, KEY)) < 1e-6
    assert_gradient(loss, m.kspace)
