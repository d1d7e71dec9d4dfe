"""Sinograms as measurements: the operator, what is added to them, and the methods that take them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from skimage.transform import iradon, radon

from jaxcs.operators import Sense
from jaxcs.operators.parallel_beam import ParallelBeam, forward_model
from jaxcs.operators.radon import enough_detectors
from jaxcs.recon import METHODS, normalise, tv
from jaxcs.threats import scan
from jaxcs.types import Measurement, SliceData
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick

KEY = jax.random.key(0)
SIZE, VIEWS = 24, 8
DETECTORS = enough_detectors(SIZE)


def boxes():
    image = np.zeros((SIZE, SIZE), np.float32)
    image[6:16, 5:14], image[9:12, 12:19] = 1.0, 0.5
    return image


def beam(mask=None):
    mask = np.ones((DETECTORS, VIEWS), bool) if mask is None else mask
    return ParallelBeam(jnp.ones((1, SIZE, SIZE), jnp.float32), jnp.asarray(mask))


def measured(image, mask=None):
    a = beam(mask)
    return Measurement(a.forward(jnp.asarray(image)), a.mask, a.maps)


def test_operator_is_scikit_images_transform():
    """Its views as columns, and its reconstruction with the ramp filter."""
    image, angles = boxes(), 180 * np.arange(VIEWS) / VIEWS
    theirs = radon(image, angles, circle=True)
    first = (DETECTORS // 2) - SIZE // 2
    y = measured(image).kspace[0, first : first + SIZE]
    assert relative_error(y, theirs) < 0.03
    back = iradon(theirs, angles, circle=True, filter_name="ramp")
    inside = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE // 2)) < SIZE // 2 - 2
    own = beam().fbp(measured(image).kspace)
    assert relative_error(np.where(inside, own, 0), np.where(inside, back, 0)) < 0.06


def test_adjoint_with_dead_detectors_and_a_bound_of_the_norm():
    rng = np.random.default_rng(0)
    mask = rng.random((DETECTORS, VIEWS)) < 0.8
    a = beam(mask)
    x, y = rng.normal(size=(SIZE, SIZE)), rng.normal(size=(1, DETECTORS, VIEWS))
    ax, aty = quick(lambda x, y: (a.forward(x), a.adjoint(y)))(x.astype(np.float32), y.astype(np.float32))
    ax, aty = np.asarray(ax), np.asarray(aty)
    assert np.sum(ax * y) == pytest.approx(np.sum(x * aty), rel=1e-4)
    assert not np.any(ax[0][~mask])
    grown = jnp.ones((SIZE, SIZE), jnp.float32)
    for _ in range(20):
        grown = a.normal(grown)
        size = jnp.linalg.norm(grown)
        grown = grown / size
    assert float(size) <= float(a.squared_norm()) <= 2 * float(size)


def test_the_maps_choose_the_operator():
    assert isinstance(forward_model(beam().maps, beam().mask), ParallelBeam)
    assert isinstance(forward_model(jnp.ones((1, 4, 4), jnp.complex64), jnp.ones(4, bool)), Sense)


def test_a_sinogram_is_scaled_by_its_filtered_back_projection():
    m, scale = normalise(measured(7 * boxes()))
    assert float(jnp.max(jnp.abs(beam().fbp(m.kspace)))) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(m.kspace * scale, measured(7 * boxes()).kspace, rtol=1e-5)


@pytest.mark.parametrize("norm", ["measured", "image"])
def test_perturbations_are_real_and_enter_as_they_should(norm):
    m = measured(boxes())
    data = SliceData(m.kspace, m.mask, m.maps, jnp.asarray(boxes()), jnp.float32(1), jnp.eye(1, dtype=jnp.float32))
    threat = scan.build(norm=norm)
    ball = threat.allowed(data, jnp.float32(0.1))
    assert (ball.real, ball.domain) == (True, None)
    delta = ball.random(KEY)
    assert delta.dtype == jnp.float32
    reference = m.kspace if norm == "measured" else boxes()
    assert float(jnp.linalg.norm(delta)) == pytest.approx(0.1 * np.linalg.norm(reference), rel=1e-4)
    added = threat.measure(data, delta).kspace - m.kspace
    expected = delta if norm == "measured" else beam().forward(delta)
    np.testing.assert_allclose(added, expected, atol=1e-4)


def test_fbp_is_the_operators():
    m = measured(boxes())
    method = METHODS["fbp"]
    np.testing.assert_allclose(method.build(method.config()).apply({}, m, KEY), beam().fbp(m.kspace), atol=1e-6)


def test_tv_of_a_sinogram_is_near_its_minimum_and_its_gradient_that_of_the_image():
    m, _ = normalise(measured(boxes()))
    config = tv.Config(lam=0.003, tolerance=1e-5, n_iters=3000)
    apply = tv.build(config).apply

    @quick
    def of(kspace):
        image, pull = jax.vjp(lambda y: apply({}, m._replace(kspace=y), KEY), kspace)
        return image, pull(image)[0]

    image, gradient = of(m.kspace)
    a = beam()

    def objective(x):
        differences = [np.diff(x, axis=axis, append=np.take(x, [0 if axis < 0 else -1], axis=axis)) for axis in (0, 1)]
        return 0.5 * np.sum((a.forward(x) - m.kspace) ** 2) / a.squared_norm() + 0.003 * np.sum(np.hypot(*differences))

    assert image.dtype == jnp.float32
    truth = boxes() * float(image.max()) / boxes().max()
    assert relative_error(image, truth) < 0.2
    best = objective(np.asarray(image))
    rng = np.random.default_rng(1)
    for size in (0.03, 0.1):
        for _ in range(5):
            assert objective(np.asarray(image) + size * rng.normal(size=(SIZE, SIZE)).astype(np.float32)) > best
    step = 0.02 * jnp.linalg.norm(m.kspace) * gradient / jnp.linalg.norm(gradient)
    ahead, behind = (0.5 * jnp.sum(of(m.kspace + sign * step)[0] ** 2) for sign in (1, -1))
    slope = (ahead - behind) / (2 * jnp.linalg.norm(step))
    assert float(slope / jnp.linalg.norm(gradient)) == pytest.approx(1, abs=0.05)
