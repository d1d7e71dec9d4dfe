"""Cyclic consistency: what the mitigation does to the data, and the gradient through it."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.complex import abs2, magnitude
from jaxcs.nets.varnet import calibration_region
from jaxcs.operators import Sense
from jaxcs.recon import METHODS, Method, in_defence, unet
from jaxcs.recon.cyclic import Cyclic, coils_of, inconsistency, mitigated, other_mask
from jaxcs.recon.wrapped import wrapped
from jaxcs.types import Reconstructor
from tests.helpers.asserts import assert_gradient, relative_error
from tests.helpers.compiling import quick
from tests.jaxcs.test_recon import measurement

KEY = jax.random.key(0)
M = measurement((16, 24), 3)
CONFIG = Cyclic(cyclic=4, cyclic_radius=0.1)
NETWORK = unet.Config(channels=2, pools=1)


def smooth_coils(params, m, key):
    """A smooth method that is neither linear nor consistent."""
    image = Sense(m.maps, m.mask).adjoint(m.kspace)
    return m.maps * image * (0.5 + params * jnp.exp(-abs2(image)))


PARAMS = jnp.float32(0.7)


@pytest.mark.parametrize("points", [False, True], ids=["columns", "single samples"])
def test_another_mask_has_the_same_centre_and_as_many_samples(points):
    mask = M.mask
    if points:
        drawn = np.random.default_rng(0).random((16, 24)) < 0.4
        drawn[6:10, 9:15] = True
        mask = jnp.asarray(drawn)
    others = [np.asarray(quick(other_mask)(jax.random.key(seed), mask)) for seed in range(5)]
    centre = np.asarray(calibration_region(mask, 0))
    for other in others:
        assert other.shape == mask.shape
        assert other.sum() == mask.sum()
        np.testing.assert_array_equal(other & centre, np.asarray(mask) & centre)
    assert len({other.tobytes() for other in others}) > 1


def test_the_inconsistency_is_that_of_numpy():
    other = other_mask(KEY, M.mask)

    def kspace_of(kspace, mask):
        image = np.sum(np.conj(M.maps) * centred(np.where(mask, kspace, 0), np.fft.ifft2), axis=0)
        return centred(M.maps * image * (0.5 + 0.7 * np.exp(-(np.abs(image) ** 2))), np.fft.fft2)

    second = kspace_of(kspace_of(np.asarray(M.kspace), M.mask), other)
    expected = np.sum(np.abs(np.where(M.mask, second - M.kspace, 0)) ** 2) / np.sum(np.abs(M.kspace) ** 2)
    assert expected > 0.01
    assert float(inconsistency(smooth_coils, PARAMS, M, other, KEY)) == pytest.approx(expected, rel=1e-4)


def centred(x, transform):
    axes = (-2, -1)
    return np.fft.fftshift(transform(np.fft.ifftshift(x, axes=axes), norm="ortho"), axes=axes)


def test_the_data_move_within_the_ball_and_become_more_consistent():
    moved = quick(lambda m: mitigated(CONFIG, smooth_coils, PARAMS, m, KEY))(M)
    change = np.linalg.norm(moved - M.kspace) / np.linalg.norm(M.kspace)
    assert 0.05 < change <= 0.1 * (1 + 1e-5)
    assert np.all(np.asarray(moved)[:, :, ~np.asarray(M.mask)] == 0)
    others = [other_mask(jax.random.key(seed), M.mask) for seed in range(4)]
    before, after = (
        np.mean([inconsistency(smooth_coils, PARAMS, M._replace(kspace=y), other, KEY) for other in others])
        for y in (M.kspace, moved)
    )
    assert after < 0.95 * before


def test_the_gradient_goes_through_all_steps():
    """The gradient of the mitigated data is a difference quotient, and not that of a constant change."""

    def loss(kspace):
        return jnp.sum(abs2(mitigated(CONFIG, smooth_coils, PARAMS, M._replace(kspace=kspace), KEY) - 1))

    gradient = assert_gradient(loss, M.kspace)
    moved = mitigated(CONFIG, smooth_coils, PARAMS, M, KEY)
    constant = jnp.where(M.mask, 2 * (moved - 1), 0)
    assert relative_error(gradient, constant) > 0.01


@dataclass(frozen=True)
class ToyConfig:
    """A network of one parameter has no settings."""


def toy(config):
    """The magnitude of the smooth image, which is the sum over coils of its coil images and maps."""

    def apply(params, m, key):
        return magnitude(jnp.sum(jnp.conj(m.maps) * smooth_coils(params, m, key), axis=0))

    return Reconstructor(lambda key: PARAMS, jax.jit(apply))


def test_a_network_is_attacked_through_the_mitigation_and_blindly():
    entry = wrapped(Method(ToyConfig, toy, {}, trained=True), ["cyclic"])
    through = entry.config(cyclic=2, cyclic_radius=0.05)
    blind = replace(through, cyclic_gradient="blind")
    assert through.problem is None
    method, plain = entry.build(through), toy(ToyConfig()).apply(PARAMS, M, KEY)
    # The image is the same; what an attack searches on is not.
    image = method.apply(PARAMS, M, KEY)
    assert relative_error(image, entry.build(blind).apply(PARAMS, M, KEY)) < 1e-5
    assert relative_error(image, plain) > 1e-4
    assert entry.surrogate(through) is None
    surrogate = entry.surrogate(blind)
    weights = surrogate.start(PARAMS, M, KEY)
    np.testing.assert_array_equal(surrogate.method.apply(weights, M, KEY), plain)
    assert_gradient(lambda y: jnp.sum(method.apply(PARAMS, M._replace(kspace=y), KEY) ** 2), M.kspace)


def test_the_coils_of_a_magnitude_have_its_size_and_the_zero_filled_phase():
    network = unet.build(NETWORK).init(KEY)
    cropped = replace(NETWORK, crop=(12, 20))
    coils = np.asarray(coils_of(METHODS["unet"], cropped)(network, M, KEY))
    image = np.asarray(unet.build(cropped).apply(network, M, KEY))
    combined = np.sum(np.conj(M.maps) * coils, axis=0)
    np.testing.assert_allclose(np.abs(combined)[2:14, 2:22], np.abs(image), rtol=1e-4, atol=1e-6)
    seen = np.asarray(Sense(M.maps, M.mask).adjoint(M.kspace))
    assert np.abs(combined[0]) == pytest.approx(np.abs(seen[0]), rel=1e-4)


def test_a_network_for_one_mask_is_refused():
    with pytest.raises(ValueError, match="the network is for one mask"):
        in_defence(METHODS["automap"].presets["tiny"], cyclic=2)
