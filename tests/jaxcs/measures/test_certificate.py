"""The certificate of linear methods: no perturbation does more, and the worst of the complex image does as much."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import apgd, pgd
from jaxcs.complex import abs2, l2_norm, magnitude
from jaxcs.fourier import image_crop
from jaxcs.measures.certificate import error_bounds, error_of, largest_gain
from jaxcs.operators import Sense
from jaxcs.recon import sense
from jaxcs.threats import balls
from tests.jaxcs.test_recon import measurement, piecewise_object

SHAPE, TARGET = (16, 24), (12, 20)
LAMBDAS = [None, 0.01, 0.2]


def linear(m, lam):
    """The complex image as a function of the perturbation."""
    a = Sense(m.maps, m.mask)
    if lam is None:
        return lambda delta: a.adjoint(m.kspace + delta)
    return lambda delta: sense.solve(sense.Config(lam), m._replace(kspace=m.kspace + delta)).image


def scan(mask=None):
    m = measurement(SHAPE, 4, mask=mask)
    target = jnp.abs(image_crop(jnp.asarray(piecewise_object(SHAPE)), TARGET))
    return m, target / jnp.max(target)


@pytest.mark.parametrize(("lam", "eps"), [(None, 0.3), (0.01, 0.02), (0.2, 0.3)])
def test_it_is_reached_by_the_complex_image_and_never_passed_by_the_magnitude(lam, eps):
    m, target = scan()
    image = linear(m, lam)
    clean = image(jnp.zeros_like(m.kspace))
    error = error_of(clean, target)
    allowed = balls.measured(jnp.float32(eps), m.kspace, m.mask)
    (bound,) = error_bounds(error, [float(allowed.radius)], m.maps, m.mask, lam)
    attack = pgd.build(pgd.Config(n_steps=60))

    def complex_loss(delta):
        return jnp.sum(abs2(error + image(delta) - clean))

    def magnitude_loss(delta):
        return jnp.sum((image_crop(magnitude(image(delta)), TARGET) - target) ** 2)

    reached = jax.jit(lambda key: attack(key, complex_loss, allowed).loss)(jax.random.key(0)) ** 0.5
    assert 0.985 * bound < reached <= bound
    worst = apgd.build(apgd.Config(n_steps=30))
    found = jax.jit(lambda key: worst(key, magnitude_loss, allowed).loss)(jax.random.key(0)) ** 0.5
    assert l2_norm(error) < found <= bound


@pytest.mark.parametrize("lam", LAMBDAS)
def test_the_gain_bounds_the_singular_values(lam):
    m, _ = scan()
    image = linear(m, lam)
    nothing = jnp.zeros_like(m.kspace)
    columns = jax.vmap(lambda e: image(e) - image(nothing))(
        jnp.eye(m.kspace.size, dtype=jnp.complex64).reshape(-1, *m.kspace.shape)
    )
    largest = np.linalg.svd(np.asarray(columns).reshape(m.kspace.size, -1), compute_uv=False)[0]
    assert largest <= largest_gain(m.maps, lam) * (1 + 1e-4)
    assert largest > 0.95 * largest_gain(m.maps, lam)
    # Without an error of the clean image the bound is the gain times the radius.
    (bound,) = error_bounds(jnp.zeros(SHAPE, jnp.complex64), [2.0], m.maps, m.mask, lam)
    assert 2 * largest <= bound <= 2.001 * largest_gain(m.maps, lam)


def test_a_mask_of_samples_has_the_wider_bound():
    rng = np.random.default_rng(1)
    m, target = scan(rng.random(SHAPE) < 0.5)
    error = error_of(linear(m, 0.1)(jnp.zeros_like(m.kspace)), target)
    (bound,) = error_bounds(error, [0.5], m.maps, m.mask, 0.1)
    np.testing.assert_allclose(bound, l2_norm(error) + 0.5 * largest_gain(m.maps, 0.1), rtol=2e-4)
    columns = jnp.asarray(rng.random(SHAPE[1]) < 0.5)
    assert error_bounds(error, [0.5], m.maps, columns, 0.1)[0] < bound


def test_the_error_has_the_norm_of_the_magnitudes_error():
    m, target = scan()
    image = linear(m, 0.1)(jnp.zeros_like(m.kspace))
    expected = l2_norm(image_crop(magnitude(image), TARGET) - target)
    np.testing.assert_allclose(l2_norm(error_of(image, target)), expected, rtol=1e-5)
    assert error_bounds(error_of(image, target), [0.0], m.maps, m.mask) == pytest.approx([float(expected)], rel=2e-4)
