"""Shearlets on sinograms: the iteration with dense matrices, its gradient, its units, and what the method takes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.operators.radon import enough_detectors
from jaxcs.operators.shearlet_windows import windows
from jaxcs.recon import METHODS, shearlets
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick

SIZE, VIEWS = 12, 5
SMALL = replace(shearlets.RADON, levels=(0,), lam=0.1, outer=3, inner=2, cg=40)


def measured():
    rng = np.random.default_rng(0)
    image = np.zeros((SIZE, SIZE), np.float32)
    image[3:9, 4:10] = 1
    a = ParallelBeam(
        jnp.ones((1, SIZE, SIZE), jnp.float32), jnp.asarray(rng.random((enough_detectors(SIZE), VIEWS)) < 0.9)
    )
    y = a.forward(jnp.asarray(image)) + 0.01 * jnp.where(a.mask, rng.standard_normal(a.mask.shape), 0)
    return a, Measurement(y.astype(jnp.float32), a.mask, a.maps)


def dense(config, a, y):
    """The published iteration in float64, by matrices, with the units of A that the method chooses."""
    pixels = SIZE * SIZE
    basis = np.eye(pixels, dtype=np.float32).reshape(-1, SIZE, SIZE)
    matrix = np.asarray(jax.vmap(a.forward)(basis), np.float64).reshape(pixels, -1).T
    matrix = matrix * np.sqrt(50 * 512 / (VIEWS * SIZE))
    y = np.asarray(y, np.float64).ravel() * np.sqrt(50 * 512 / (VIEWS * SIZE))
    extent = np.abs(matrix.T @ y).max()
    y = y / extent
    shapes = np.asarray(windows("compact", (SIZE, SIZE), config.levels, True), np.float64)
    columns = np.eye(pixels).reshape(-1, SIZE, SIZE)[:, None]
    psi = np.fft.ifft2(shapes * np.fft.fft2(columns)).real.reshape(pixels, -1).T
    mu = config.mu[0]
    system = config.beta * matrix.T @ matrix + mu * psi.T @ psi
    w, b, missing, seen = np.zeros(len(psi)), np.zeros(len(psi)), y.copy(), np.zeros(pixels)
    for _ in range(config.outer):
        for _ in range(config.inner):
            seen = np.linalg.solve(system, config.beta * matrix.T @ missing + mu * psi.T @ (w - b))
            c = (psi @ seen + b).reshape(len(shapes), -1)
            weight = 0.1 * np.abs(c).max(1, keepdims=True) / (config.epsilon + np.abs(c))
            weight[-1] = 0
            w = (np.sign(c) * np.maximum(np.abs(c) - config.lam / mu * weight, 0)).ravel()
        b = b + psi @ seen - w
        missing = missing + y - matrix @ seen
    return extent * seen.reshape(SIZE, SIZE)


def test_the_iteration_is_that_of_dense_matrices():
    a, m = measured()
    found = quick(lambda y: shearlets.solve(SMALL, m._replace(kspace=y)).image)(m.kspace)
    assert found.dtype == jnp.float32
    assert relative_error(found, dense(SMALL, a, m.kspace)) < 1e-3


def test_a_larger_sinogram_has_a_larger_image_and_one_of_zeros_zeros():
    _, m = measured()
    image = quick(lambda y: shearlets.solve(SMALL, m._replace(kspace=y)).image)
    assert relative_error(image(100 * m.kspace), 100 * image(m.kspace)) < 1e-3
    assert not np.any(image(0 * m.kspace))


@pytest.mark.parametrize("mu", [(500.0, 0.0, 0.0), (500.0, 10.0, 20.0)])
def test_gradients_are_those_of_the_iteration(mu):
    """By central differences along the gradient; with weights that do not follow the data they would not agree."""
    _, m = measured()
    config = replace(SMALL, mu=mu, alpha=(0.01, 0.01), cg=10, differentiate_weights=True)
    apply = shearlets.build(config).apply
    loss = quick(jax.value_and_grad(lambda y: jnp.sum((apply({}, m._replace(kspace=y), None) - 0.5) ** 2)))
    gradient = np.asarray(loss(m.kspace)[1])
    step = 3e-3 * np.linalg.norm(m.kspace) / np.linalg.norm(gradient)
    high, low = (loss(m.kspace + sign * step * gradient)[0] for sign in (1, -1))
    np.testing.assert_allclose((high - low) / (2 * step), np.linalg.norm(gradient) ** 2, rtol=0.05)


def test_the_method_takes_sinograms_and_keeps_the_published_constants():
    published = METHODS["shearlets"].presets["radon"]
    assert (published.mu, published.lam, published.beta, published.outer) == ((500.0, 0.0, 0.0), 3e-4, 50.0, 100)
    assert METHODS["shearlets"].of_sinograms in METHODS["shearlets"].presets.values()
    _, m = measured()
    with pytest.raises(ValueError, match="they must be \\(1, detector, view\\)"):
        shearlets.build(SMALL).apply({}, m._replace(kspace=m.kspace[0]), None)
