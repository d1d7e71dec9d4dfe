"""Thermal noise by the background method, against added noise and against scikit-image."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage.restoration import estimate_sigma

from data_prep import phantom
from jaxcs.coils.background import has_background, noise_covariance, thermal_level
from jaxcs.fourier import ifft2c
from tests.helpers.asserts import complex_normal, relative_error
from tests.helpers.places import measured_scans


def scan(shape=(96, 80), padding=(0, 80)):
    """A disc seen by four coils, with noise of a known covariance in the acquired columns."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    image = (np.hypot(y, x) < 0.6) * 100.0
    coils = np.stack([image * np.exp(-((y - a) ** 2) - (x - b) ** 2) for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))])
    mixing = np.asarray(complex_normal(random, (4, 4)))
    noise = np.einsum("ij,jyx->iyx", mixing, np.asarray(complex_normal(random, (4, *shape))))
    kspace = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(coils, axes=(1, 2)), norm="ortho"), axes=(1, 2)) + noise
    kspace[..., : padding[0]] = kspace[..., padding[1] :] = 0
    # complex_normal has a variance of 1 in each of its two parts.
    return kspace.astype(np.complex64), 2 * mixing @ mixing.conj().T


@pytest.mark.parametrize("padding", [(0, 80), (10, 72)])
def test_the_covariance_that_was_put_in_is_found(padding):
    kspace, covariance = scan(padding=padding)
    found = noise_covariance(jnp.asarray(kspace), padding)
    assert relative_error(found, covariance) < 0.15
    np.testing.assert_allclose(noise_covariance(jnp.asarray(10 * kspace), padding), 100 * found, rtol=1e-4)


def test_the_level_is_that_of_the_noise_in_the_measured_samples():
    kspace, covariance = scan()
    mask = jnp.asarray(np.random.default_rng(1).random(80) < 0.3)
    level = thermal_level(jnp.asarray(covariance), jnp.asarray(kspace), mask)
    noise = np.sqrt(np.trace(covariance).real * 96 * int(mask.sum()))
    assert level == pytest.approx(noise / np.linalg.norm(kspace[..., np.asarray(mask)]), rel=1e-4)


@pytest.mark.parametrize("family", ["knee", "brain"])
def test_phantoms_have_the_noise_that_others_see(family):
    case = phantom.case(family, "test", 0)
    kspace = jnp.asarray(case.kspace / np.abs(case.kspace).max())
    found = noise_covariance(kspace, case.padding)
    image = np.real(ifft2c(kspace))
    theirs = [2 * estimate_sigma(coil) ** 2 for coil in image]
    np.testing.assert_allclose(np.diagonal(found).real, theirs, rtol=0.4)
    assert 0.005 < thermal_level(found, kspace, jnp.ones(kspace.shape[-1], bool)) < 0.2


def test_measured_scans_have_the_noise_that_others_see():
    for name, kspace in measured_scans():
        kspace = jnp.asarray(kspace / np.abs(kspace).max())
        padding = (0, kspace.shape[-1])
        covariance = noise_covariance(kspace, padding)
        level = thermal_level(covariance, kspace, jnp.ones(kspace.shape[-1], bool))
        assert 0.03 < level < 0.4, name
        theirs = [2 * estimate_sigma(coil) ** 2 for coil in np.real(ifft2c(kspace))]
        assert np.sqrt(np.trace(covariance).real / sum(theirs)) == pytest.approx(1, abs=0.3), name


def test_an_object_in_all_four_corners_is_no_background():
    kspace, _ = scan()
    padding = (0, 80)
    covariance = noise_covariance(jnp.asarray(kspace), padding)
    assert has_background(covariance, jnp.asarray(kspace), padding)
    # Samples that were never acquired carry no information about noise.
    rows, columns = np.ogrid[-48:48, -40:40]
    ellipse = np.where((rows / 48) ** 2 + (columns / 40) ** 2 < 1, kspace, 0)
    assert has_background(noise_covariance(jnp.asarray(ellipse), padding), jnp.asarray(ellipse), padding)
    full = jnp.asarray(kspace).at[:, 48, 40].add(2e5)
    assert not has_background(noise_covariance(full, padding), full, padding)


def test_measured_scans_have_a_background():
    for name, kspace in measured_scans():
        kspace = jnp.asarray(kspace / np.abs(kspace).max())
        padding = (0, kspace.shape[-1])
        assert has_background(noise_covariance(kspace, padding), kspace, padding), name
