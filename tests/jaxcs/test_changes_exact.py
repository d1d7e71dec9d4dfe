"""Changes of the scan against exact results and SciPy: no loss, no blur, and correct gradients at zero change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from data_prep import phantom
from jaxcs.complex import abs2, real_dot, value_and_ascent
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.threats import CHANGES
from jaxcs.threats.changes import map_error, shift, smooth_modes, warp
from tests.helpers.asserts import complex_normal, relative_error

KEY = jax.random.key(0)
SIZES = [(32, 26), (31, 27), (32, 27)]
SHAPE = SIZES[0]
ROW, COLUMN = (np.arange(n) - n // 2 for n in SHAPE)
EPSILON = {"shift": 1.7, "rotation": 6.0, "deformation": 0.6, "bias": 0.1, "maps": 0.05, "phase": 0.2}


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("name", ["shift", "rotation", "phase"])
def test_nothing_is_lost(name, shape):
    """A change keeps the energy, and the opposite change undoes it, also for white noise.

    White noise fills the corners and all frequencies.
    """
    kspace = complex_normal(np.random.default_rng(2), (2, *shape))
    parameters = CHANGES[name].threat(5 * EPSILON[name], kspace, kspace, np.ones(shape[1], bool)).random(KEY)
    changed, _ = CHANGES[name].apply(kspace, kspace, parameters)
    assert relative_error(changed, kspace) > 0.5
    np.testing.assert_allclose(np.linalg.norm(changed), np.linalg.norm(kspace), rtol=1e-5)
    assert relative_error(CHANGES[name].apply(changed, kspace, -parameters)[0], kspace) < 1e-5


def test_displacements_are_those_of_epsilon():
    """The displacement is measured in the phase of plane waves with one period along rows and columns."""
    waves = np.stack(np.broadcast_arrays(np.exp(2j * np.pi * ROW / 32)[:, None], np.exp(2j * np.pi * COLUMN / 26)))
    waves = waves.astype(np.complex64)
    parameters = CHANGES["deformation"].threat(0.6, waves, waves, np.ones(26, bool)).random(KEY)
    moved = np.asarray(ifft2c(CHANGES["deformation"].apply(fft2c(waves), waves, parameters)[0]))
    pixels = np.angle(moved / waves) * np.reshape(SHAPE, (2, 1, 1)) / (2 * np.pi)
    np.testing.assert_allclose(np.sqrt(np.mean(np.sum(pixels**2, axis=0))), 0.6, rtol=2e-3)


@pytest.mark.parametrize("shape", SIZES)
def test_warping_equals_splines_of_scipy(shape):
    y, x = (np.arange(n) - n // 2 for n in shape)
    image = (np.exp(-(((y[:, None] - 2) / 3) ** 2) - ((x + 3) / 4) ** 2) * np.exp(0.1j * x)).astype(np.complex64)
    field = np.einsum("akl,klyx->ayx", np.random.default_rng(4).normal(size=(2, 4, 4)) / 4, smooth_modes(shape))
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) - field
    expected = [
        scipy.ndimage.map_coordinates(part, places, order=5, mode="grid-wrap") for part in (image.real, image.imag)
    ]
    moved = ifft2c(warp(fft2c(jnp.asarray(image[None])), jnp.asarray(field, jnp.float32)))[0]
    assert relative_error(moved, image) > 0.1
    assert relative_error(moved, expected[0] + 1j * expected[1]) < 0.005


def test_warping_blurs_less_than_linear_interpolation_by_far():
    """Compared with the exact shift of a noisy brain by a quarter of a pixel, the worst case."""
    kspace = jnp.asarray(phantom.case("brain", "test", 0).kspace[:2])
    exact = np.asarray(shift(kspace, kspace, jnp.full(2, 0.25))[0])
    field = np.full((2, *kspace.shape[1:]), 0.25, np.float32)
    assert relative_error(warp(kspace, jnp.asarray(field)), exact) < 0.004
    places = np.stack(np.meshgrid(*map(np.arange, kspace.shape[1:]), indexing="ij")) - field
    images = np.asarray(ifft2c(kspace))
    linear = np.stack([scipy.ndimage.map_coordinates(image, places, order=1, mode="grid-wrap") for image in images])
    assert relative_error(linear, ifft2c(jnp.asarray(exact))) > 0.08


def test_errors_of_maps_of_a_small_object_have_the_size_of_epsilon():
    """Over few pixels smooth modes are nearly dependent.  With fewer pixels than modes some modes must vanish."""
    for side, rtol in ((7, 1e-4), (5, 1e-3)):
        maps = np.zeros((3, 64, 64), np.complex64)
        maps[:, 30 : 30 + side, 20 : 20 + side] = complex_normal(np.random.default_rng(0), (3, side, side))
        parameters = CHANGES["maps"].threat(0.05, maps, maps, np.ones(64, bool)).random(KEY)
        np.testing.assert_allclose(relative_error(map_error(maps, maps, parameters)[1], maps), 0.05, rtol=rtol)
    one_pixel = np.zeros((3, 64, 64), np.complex64)
    one_pixel[:, 30, 20] = 1
    changed = np.asarray(map_error(one_pixel, one_pixel, jnp.ones((3, 4, 4), jnp.complex64))[1])
    assert np.isfinite(changed).all()
    assert not np.any(changed[one_pixel == 0])


def test_phase_is_of_columns_with_any_measured_sample():
    samples = np.random.default_rng(1).random(SHAPE) < 0.03
    measured = np.any(samples, axis=0)
    assert 0 < measured.sum() < SHAPE[1]
    kspace = jnp.ones((1, *SHAPE), jnp.complex64)
    parameters = CHANGES["phase"].threat(0.2, kspace, kspace, samples).random(KEY)
    phase = np.angle(CHANGES["phase"].apply(kspace, kspace, parameters)[0])[0, 0]
    assert not np.any(phase[~measured])
    np.testing.assert_allclose(np.sqrt(np.mean(phase[measured] ** 2)), 0.2, rtol=1e-4)


@pytest.mark.parametrize("name", CHANGES)
def test_gradients_at_zero_are_those_of_finite_differences(name):
    """All positions are whole pixels.  Differences are taken along the gradient and along a random direction."""
    kspace = fft2c(complex_normal(np.random.default_rng(5), (3, *SHAPE)) * np.exp(-((ROW[:, None] / 8) ** 2)))
    maps, mask = jnp.ones((3, *SHAPE), jnp.complex64), np.random.default_rng(0).random(SHAPE[1]) < 0.5
    ball = CHANGES[name].threat(0.1 * EPSILON[name], kspace, maps, mask)
    elsewhere, direction = (ball.random(key) for key in jax.random.split(KEY))

    def combined(parameters):
        changed, told = CHANGES[name].apply(kspace, maps, parameters)
        return jnp.sum(jnp.conj(told) * ifft2c(jnp.where(mask, changed, 0)), axis=0)

    loss = jax.jit(lambda p: jnp.sum(abs2(combined(p) - combined(elsewhere))))
    ascent, step = jax.jit(value_and_ascent(loss))(0 * elsewhere)[1], 0.1
    steepest = float(real_dot(ascent, ball.boundary(ascent)))
    assert steepest > 0
    for along in (ball.boundary(ascent), direction):
        slope = float(loss(step * along) - loss(-step * along)) / (2 * step)
        assert float(real_dot(ascent, along)) == pytest.approx(slope, abs=0.02 * steepest)
