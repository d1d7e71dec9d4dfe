"""Changes of the scan: each has its stated size, keeps the properties that it must keep, and has gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from jaxcs.attacks import pgd
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.threats import CHANGES
from jaxcs.threats.changes import rotate, smooth_modes
from tests.helpers.asserts import relative_error

SHAPE = (3, 33, 29)
KEY = jax.random.key(0)
MASK = jnp.asarray(np.random.default_rng(1).random(29) < 0.6)


def blob():
    """A smooth object away from the edges, seen by three coils, as images and maps."""
    y, x = np.mgrid[-1:1:33j, -1:1:29j]
    image = np.exp(-((y - 0.1) ** 2 / 0.05 + (x + 0.15) ** 2 / 0.03)) * np.exp(1j * (x + 2 * y))
    maps = np.stack([np.exp(-((y - a) ** 2) - (x - b) ** 2) for a, b in ((1, 0), (-1, 1), (0, -1))]) + 0j
    maps /= np.sqrt((np.abs(maps) ** 2).sum(0))
    return (maps * image).astype(np.complex64), (maps * (np.hypot(y, x) < 0.9)).astype(np.complex64)


IMAGES, MAPS = (jnp.asarray(one) for one in blob())
KSPACE = fft2c(IMAGES)


def member(name, epsilon, key=KEY):
    ball = CHANGES[name].threat(jnp.asarray(epsilon), KSPACE, MAPS, MASK)
    return ball, ball.random(key)


def applied(name, parameters):
    return CHANGES[name].apply(KSPACE, MAPS, parameters)


@pytest.mark.parametrize("name", CHANGES)
def test_no_parameters_change_nothing(name):
    _, parameters = member(name, 0.1)
    kspace, maps = applied(name, 0 * parameters)
    np.testing.assert_allclose(kspace, KSPACE, atol=1e-4)
    np.testing.assert_allclose(maps, MAPS, atol=1e-5)


def size(name, parameters):
    """The size of a change in its own unit, by NumPy."""
    kspace, maps = (np.asarray(one) for one in applied(name, parameters))
    if name in ("shift", "rotation"):
        return np.linalg.norm(parameters)
    if name == "deformation":
        field = np.einsum("akl,klyx->ayx", parameters, smooth_modes(SHAPE[1:]))
        return np.sqrt(np.mean(np.sum(field**2, axis=0)))
    if name == "bias":
        flat, _ = CHANGES[name].apply(fft2c(jnp.ones_like(IMAGES)), MAPS, parameters)
        field = np.log(np.abs(np.asarray(ifft2c(flat))))[0]
        return np.sqrt(np.mean(field**2))
    if name == "maps":
        return np.linalg.norm(maps - np.asarray(MAPS)) / np.linalg.norm(MAPS)
    turned = np.angle(kspace[:, 16] / np.asarray(KSPACE)[:, 16])[0]
    return np.sqrt(np.mean(turned[np.asarray(MASK)] ** 2))


@pytest.mark.parametrize("name", CHANGES)
def test_epsilon_is_the_size_in_its_own_unit(name):
    for epsilon in (0.02, 0.2):
        _, parameters = member(name, epsilon)
        assert size(name, np.asarray(parameters)) == pytest.approx(epsilon, rel=1e-2)


def test_whole_pixels_are_shifted_as_by_numpy():
    kspace, _ = applied("shift", jnp.asarray([3.0, -2.0]))
    np.testing.assert_allclose(ifft2c(kspace), np.roll(IMAGES, (3, -2), axis=(1, 2)), atol=1e-5)


def test_rotation_is_that_of_scipy_and_restores_itself():
    turned = rotate(IMAGES, jnp.asarray(12.0))
    for part in (np.real, np.imag):
        theirs = scipy.ndimage.rotate(part(IMAGES), 12.0, axes=(2, 1), reshape=False, order=5)
        assert relative_error(part(turned), theirs) < 0.02
        theirs = scipy.ndimage.rotate(part(IMAGES), -12.0, axes=(2, 1), reshape=False, order=5)
        assert relative_error(part(turned), theirs) > 0.2
    np.testing.assert_allclose(jnp.linalg.norm(turned), jnp.linalg.norm(IMAGES), rtol=1e-5)
    assert relative_error(rotate(turned, jnp.asarray(-12.0)), IMAGES) < 1e-5


def test_even_sizes_turn_about_the_same_centre():
    image = np.zeros((32, 28), np.complex64)
    image[16, 14] = 1
    turned = np.abs(rotate(jnp.asarray(image), jnp.asarray(30.0)))
    assert np.unravel_index(turned.argmax(), turned.shape) == (16, 14)


def test_smooth_modes_are_orthonormal():
    modes = np.asarray(smooth_modes((24, 20))).reshape(16, -1)
    np.testing.assert_allclose(modes @ modes.T / 480, np.eye(16), atol=1e-5)


def test_deformation_moves_what_a_uniform_field_moves():
    coefficients = np.zeros((2, 4, 4), np.float32)
    coefficients[:, 0, 0] = (2.0, -1.0)
    kspace, _ = applied("deformation", jnp.asarray(coefficients))
    moved = np.roll(IMAGES, (2, -1), axis=(1, 2))
    np.testing.assert_allclose(ifft2c(kspace)[:, 4:-4, 4:-4], moved[:, 4:-4, 4:-4], atol=1e-4)


@pytest.mark.parametrize("name", CHANGES)
def test_gradients_find_more_harm_than_chance(name):
    """The harm is measured in the zero-filled image, combined by the maps that the method gets."""
    change, (ball, _) = CHANGES[name], member(name, 0.5)

    def image(parameters):
        kspace, maps = applied(name, parameters)
        return jnp.sum(jnp.conj(maps) * ifft2c(jnp.where(MASK, kspace, 0)), axis=0)

    clean = image(0 * ball.random(KEY))
    loss = lambda parameters: jnp.sum(jnp.abs(image(parameters) - clean) ** 2)  # noqa: E731
    found = jax.jit(lambda key: pgd.build(pgd.Config(n_steps=6, step_size=1.0))(key, loss, ball))(KEY)
    chance = jax.jit(jax.vmap(loss))(jax.vmap(ball.random)(jax.random.split(KEY, 16)))
    assert found.loss > (0.99 * np.max(chance) if ball.support.size == 1 else 1.1 * np.mean(chance))
    assert change.unit
