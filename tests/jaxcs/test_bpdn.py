"""Basis pursuit denoising: the solution of spgl1, a distance that cannot be reached, and gradients."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.operators import Sense
from jaxcs.recon import bpdn
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.places import PARITY
from tests.jaxcs.test_recon import measurement

STORED = PARITY / "spgl1.npz"


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as content:
        return dict(content)


def test_the_solution_is_that_of_spgl1(stored):
    m = Measurement(stored["kspace"], stored["mask"], stored["maps"])
    config = bpdn.Config(delta=float(stored["delta"]))
    found = jax.jit(lambda m: bpdn.solve(config, m))(m)
    assert relative_error(found.image, stored["x"]) < 5e-3
    np.testing.assert_allclose(bpdn.objective(config, found.image), stored["objective"], rtol=2e-5)
    away = np.linalg.norm(Sense(m.maps, m.mask).forward(found.image) - m.kspace)
    np.testing.assert_allclose(away, stored["residual"], rtol=1e-4)
    assert bpdn.reach(config, m).reachable
    assert found.error < 1e-3


def test_a_distance_that_cannot_be_reached_is_said_and_bounded_by_least_squares(stored):
    m = Measurement(stored["kspace"], stored["mask"], stored["maps"])
    a, y = Sense(m.maps, m.mask), stored["kspace"]
    units = np.eye(32 * 24, dtype=np.complex64).reshape(-1, 32, 24)
    matrix = np.asarray(jax.vmap(a.forward)(units)).reshape(len(units), -1).T.astype(complex)
    least = np.linalg.norm(matrix @ np.linalg.lstsq(matrix, y.ravel(), rcond=None)[0] - y.ravel())
    found = bpdn.reach(bpdn.Config(delta=0.01), m)
    assert least < found.least < 1.15 * least
    np.testing.assert_allclose(found.used, 1.05 * found.least, rtol=1e-6)
    assert not found.reachable
    np.testing.assert_allclose(bpdn.METHOD.widened(bpdn.Config(delta=0.01), m), found.used / 0.01, rtol=1e-6)
    assert bpdn.METHOD.widened(bpdn.Config(delta=0.5, relative=True), m) == 1
    relative = bpdn.reach(bpdn.Config(delta=0.5, relative=True), m)
    np.testing.assert_allclose(relative.used, 0.5 * np.linalg.norm(y), rtol=1e-5)
    image = bpdn.solve(bpdn.Config(delta=0.01, n_iters=600), m).image
    assert np.linalg.norm(a.forward(image) - y) < 1.2 * float(found.used)  # such a small ball is approached slowly


@pytest.mark.parametrize("delta", [0.001, 1.5])
def test_gradients_are_those_of_the_solution(delta):
    """With the distance that was asked for, and with that of least squares, which changes with the data."""
    m = measurement((13, 10), 3, noise=0.05)
    config = bpdn.Config(levels=1, delta=delta, n_iters=100)
    assert bpdn.reach(config, m).reachable == (delta == 1.5)
    apply = bpdn.build(config).apply
    loss = jax.jit(jax.value_and_grad(lambda kspace: jnp.sum((apply({}, m._replace(kspace=kspace), None) - 0.5) ** 2)))
    value, gradient = loss(m.kspace)
    ascent = np.conj(np.asarray(gradient))
    step = 1e-3 * np.linalg.norm(m.kspace) / np.linalg.norm(ascent)
    high, low = (loss(m.kspace + sign * step * ascent)[0] for sign in (1, -1))
    assert high > value > low
    np.testing.assert_allclose((high - low) / (2 * step), np.linalg.norm(ascent) ** 2, rtol=0.05)


def test_data_of_zero_give_an_image_of_zero():
    m = measurement((12, 8), 2)
    apply = bpdn.build(bpdn.Config(levels=1, n_iters=4)).apply
    loss = jax.jit(jax.value_and_grad(lambda kspace: jnp.sum(apply({}, m._replace(kspace=kspace), None))))
    value, gradient = loss(np.zeros_like(m.kspace))
    assert value == 0
    assert np.all(np.isfinite(gradient))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [({"delta": -1.0}, "delta is -1"), ({"gamma": 0.0}, "gamma is 0"), ({"wavelet": "bior2.2"}, "not orthogonal")],
)
def test_settings_that_make_no_sense_are_refused(settings, problem):
    with pytest.raises(ValueError, match=problem):
        replace(bpdn.Config(), **settings)
