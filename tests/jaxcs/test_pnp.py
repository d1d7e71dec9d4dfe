"""Plug-and-play: the fixed point and its gradient for a linear denoiser, and of a network by difference quotients."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.nets import score
from jaxcs.operators import Sense
from jaxcs.recon import diffusion, pnp
from jaxcs.recon.staged import stages_of
from jaxcs.weights.files import Weights
from tests.helpers.asserts import complex_normal, relative_error
from tests.jaxcs.test_diffusion import GAUSSIAN, KEY, NET, problem

pytestmark = pytest.mark.usefixtures("one_form")
CONFIG = pnp.Config(channels=4, levels=2, sigma=0.1, tolerance=1e-6, n_iters=400)


def test_the_fixed_point_with_a_wiener_filter_is_that_of_dense_algebra():
    """D = c x has the fixed point of least squares with the weight (1 - c) / c + lam, and so has the gradient."""
    m = problem()
    sense = Sense(m.maps, m.mask)
    b, v = sense.adjoint(m.kspace), complex_normal(np.random.default_rng(1), m.maps.shape[1:])

    def found(b):
        return pnp.fixed_point(CONFIG, NET, GAUSSIAN, sense, b)

    c = score.SIGMA_DATA**2 / (score.SIGMA_DATA**2 + CONFIG.sigma**2)
    size = b.size
    units = jnp.eye(size, dtype=jnp.complex64).reshape(-1, *b.shape)
    normal = np.asarray(jax.vmap(sense.normal)(units)).reshape(size, size).T.astype(np.complex128)
    inverse = np.linalg.inv(normal + ((1 - c) / c + CONFIG.lam) * np.eye(size))
    solution, pull = jax.jit(lambda b: jax.vjp(lambda b: found(b).state, b))(b)
    assert relative_error(solution.ravel(), inverse @ np.asarray(b).ravel()) < 1e-5
    assert relative_error(np.conj(pull(jnp.conj(v))[0]).ravel(), inverse @ np.asarray(v).ravel()) < 1e-4


def test_the_gradient_with_a_network_is_a_difference_quotient():
    m, method = problem(), pnp.build(CONFIG)
    # The network's last layer is damped, as in a trained denoiser: the iteration converges.
    params = method.init(KEY)
    params["end"] = jax.tree.map(lambda leaf: 0.3 * leaf, params["end"])
    direction = np.where(m.mask, complex_normal(np.random.default_rng(1), m.kspace.shape), 0)
    stages = stages_of(method)
    solve = jax.jit(lambda kspace: stages.solve(params, (), m._replace(kspace=kspace), KEY))
    found = solve(m.kspace)
    assert found.error <= CONFIG.tolerance
    assert 0 < found.iterations < CONFIG.n_iters
    loss = lambda kspace: jnp.sum((solve(kspace).image - 0.5) ** 2)  # noqa: E731
    step = 2e-3
    quotient = (loss(m.kspace + step * direction) - loss(m.kspace - step * direction)) / (2 * step)
    slope = np.real(np.sum(np.asarray(jax.grad(loss)(m.kspace)) * direction))
    np.testing.assert_allclose(slope, quotient, rtol=5e-3)


def test_it_takes_the_network_of_diffusion_and_keeps_its_settings():
    weights = Weights("diffusion", diffusion.Config(channels=8, steps=7), {}, {}, "")
    assert weights.configured(CONFIG) == replace(CONFIG, channels=8, levels=3)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sigma": 0.0}, "sigma is 0; it must be above 0"),
        ({"lam": 1.0}, "lam is 1; it must be at least 0 and below 1"),
        ({"n_iters": 0}, "n_iters is 0; it must be at least 1"),
    ],
)
def test_a_configuration_checks_itself(settings, problem):
    with pytest.raises(ValueError, match=problem):
        pnp.Config(**settings)
