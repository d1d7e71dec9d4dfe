"""The error at withheld samples, against NumPy, and the coil images that predict them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.recon import METHODS, convdecoder, l1, sense, tv
from jaxcs.recon.held_out import error, folds
from jaxcs.types import Measurement
from tests.jaxcs.test_recon import measurement

KEY = jax.random.key(0)
COUNT = 3


@pytest.mark.parametrize("points", [False, True])
def test_each_sample_outside_the_centre_is_in_one_part(points):
    mask = np.random.default_rng(0).random(40) < 0.5
    mask[16:24] = True
    mask = mask & (np.random.default_rng(1).random((9, 1)) < 2) if points else mask
    parts = np.asarray(folds(KEY, jnp.asarray(mask), COUNT))
    assert parts.shape == (COUNT, *mask.shape)
    together = parts.sum(axis=0)
    assert set(np.unique(together)) == {0, 1}
    assert not together[~mask].any()
    assert not (together[2:7] if points else together)[..., 17:23].any()
    sizes = parts.reshape(COUNT, -1).sum(axis=1)
    assert sizes.max() - sizes.min() <= 1
    assert sizes.sum() >= mask.sum() - 9 * (1 + 8 * points)
    assert not np.array_equal(parts, folds(jax.random.key(1), jnp.asarray(mask), COUNT))


def test_the_error_is_that_of_the_samples_that_were_not_given():
    data = measurement()
    held = folds(KEY, jnp.asarray(data.mask), COUNT)
    given_masks = []

    def seen(given, key):
        jax.debug.callback(lambda mask: given_masks.append(np.asarray(mask)), given.mask)
        # Zero where nothing was given: the prediction is as good as none.
        return ifft2c(given.kspace)

    np.testing.assert_allclose(error(seen, data, held, KEY), 1, rtol=1e-5)
    for mask, part in zip(
        sorted(map(tuple, given_masks)), sorted(map(tuple, data.mask & ~np.asarray(held))), strict=True
    ):
        assert mask == part
    np.testing.assert_allclose(error(lambda given, key: ifft2c(data.kspace), data, held, KEY), 0, atol=1e-9)


def test_the_error_of_sense_is_the_one_of_a_loop():
    data, config = measurement(), sense.Config(lam=0.01)
    held = np.asarray(folds(KEY, jnp.asarray(data.mask), COUNT))
    misfit = energy = 0.0
    for part in held:
        mask = np.asarray(data.mask) & ~part
        given = Measurement(jnp.where(mask, data.kspace, 0), jnp.asarray(mask), data.maps)
        k = np.asarray(fft2c(data.maps * sense.solve(config, given).image))
        misfit += np.sum(np.abs(k - data.kspace)[..., part] ** 2)
        energy += np.sum(np.abs(data.kspace)[..., part] ** 2)
    found = error(METHODS["sense"].coils(config), data, jnp.asarray(held), KEY)
    np.testing.assert_allclose(found, misfit / energy, rtol=1e-4)
    assert 0 < found < 1


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("l1", l1.Config(levels=2, n_iters=20)),
        ("tv", tv.Config(n_iters=20)),
        ("sense", sense.Config()),
        ("convdecoder", convdecoder.Config(n_steps=6, channels=8, layers=3, in_rows=4, in_columns=3)),
    ],
)
def test_coil_images_are_those_of_the_method(name, config):
    data = measurement()
    coils = METHODS[name].coils(config)(data, KEY)
    assert coils.shape == data.kspace.shape
    if name == "convdecoder":  # its image has the measured samples in place of its own
        coils = ifft2c(jnp.where(data.mask, data.kspace, fft2c(coils)))
    image = METHODS[name].build(config).apply({}, data, KEY)
    np.testing.assert_allclose(root_sum_of_squares(coils), image, atol=1e-4 * float(jnp.max(image)))
