"""MoDL: its formula in NumPy with dense matrices, its two solvers, its gradients."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.complex import abs2
from jaxcs.nets import count_parameters
from jaxcs.nets.residual import residual_cnn
from jaxcs.operators import Sense
from jaxcs.recon import modl
from jaxcs.recon.staged import stages_of
from jaxcs.types import Measurement
from tests.helpers.asserts import complex_normal, relative_error
from tests.helpers.compiling import quick

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
CONFIG = modl.Config(2, 3, 4, cg_iters=200)


def drawn():
    """Parameters whose last layer is not 0, as it is when a training begins."""
    params = modl.build(CONFIG).init(KEY)
    assert not np.any(params["denoiser"]["layer2"]["kernel"])
    return params | {"denoiser": residual_cnn(CONFIG.layers, CONFIG.channels).init(KEY)}


def problem(shape=(6, 8), coils=3, columns=True):
    rng = np.random.default_rng(0)
    mask = jnp.asarray(rng.random(shape[1:] if columns else shape) < 0.6)
    maps = complex_normal(rng, (coils, *shape))
    maps = maps / jnp.sqrt(jnp.sum(abs2(maps), 0))
    return Measurement(jnp.where(mask, complex_normal(rng, (coils, *shape)), 0), mask, maps)


def dense(m):
    """The matrix of `Sense`."""
    shape = m.maps.shape[1:]
    units = jnp.eye(shape[0] * shape[1], dtype=jnp.complex64).reshape(-1, *shape)
    return np.asarray(jax.vmap(Sense(m.maps, m.mask).forward)(units)).reshape(len(units), -1).T.astype(np.complex128)


def test_the_denoiser_of_the_paper_has_five_layers_of_64_channels():
    def layers(channels):
        return 2 * 9 * channels + channels + 3 * (channels * 9 * channels + channels) + channels * 9 * 2 + 2

    for name, channels in (("paper", 64), ("small", 24)):
        assert count_parameters(modl.build(modl.PRESETS[name])) == layers(channels) + 1


def test_the_image_is_that_of_the_formula_with_dense_matrices():
    m, params = problem(), drawn()
    shape, a = m.maps.shape[1:], dense(m)
    network = quick(residual_cnn(CONFIG.layers, CONFIG.channels).apply)
    weight = 0.05
    zero_filled = a.conj().T @ np.asarray(m.kspace).ravel()
    size = np.abs(zero_filled).max()
    x = zero_filled = zero_filled / size
    for _ in range(CONFIG.iterations):
        image = jnp.complex64(x.reshape(shape))
        z = x + np.asarray(network(params["denoiser"], image)).ravel()
        x = np.linalg.solve(a.conj().T @ a + weight * np.eye(len(x)), zero_filled + weight * z)
    found = quick(modl.predict(CONFIG))(params, m)
    assert relative_error(found.image, size * np.abs(x).reshape(shape)) < 1e-5
    assert relative_error(found.coils, np.asarray(m.maps) * size * x.reshape(shape)) < 1e-5


@pytest.mark.parametrize("columns", [True, False], ids=["columns", "single samples"])
def test_both_solvers_give_the_same_image_and_gradients(columns):
    m, params = problem(columns=columns), drawn()

    def loss(config):
        predict = modl.predict(config)
        return lambda params, kspace: jnp.sum(predict(params, m._replace(kspace=kspace)).image ** 2)

    values = [
        quick(jax.value_and_grad(loss(replace(CONFIG, solver=solver)), (0, 1)))(params, m.kspace)
        for solver in ("rows", "cg")
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-4), *values)
    assert float(jnp.abs(values[0][1][0]["log_weight"])) > 1e-3


def test_the_gradient_of_the_weight_is_a_difference_quotient():
    m, params = problem(), drawn()
    predict = modl.predict(CONFIG)

    @jax.jit
    def loss(at):
        return jnp.sum(predict(params | {"log_weight": at}, m).image)

    at, step = params["log_weight"], 0.02
    quotient = (loss(at + step) - loss(at - step)) / (2 * step)
    np.testing.assert_allclose(jax.grad(loss)(at), quotient, rtol=5e-3)


def test_what_is_prepared_gives_the_same_image():
    m, method = problem(), modl.build(CONFIG)
    params, stages = drawn(), stages_of(method)
    prepared = stages.prepare(params, m.maps, m.mask)
    found = stages.solve(params, prepared, m, KEY)
    assert relative_error(found.image, method.apply(params, m, KEY)) < 1e-6
    assert np.isnan(found.error)
