import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcs.prox import project_ball, soft_threshold
from tests.helpers.asserts import complex_normal

T = 0.7


@pytest.fixture
def z():
    return complex_normal(np.random.default_rng(0), (2, 4, 5))


def soft_objective(x, z):
    return 0.5 * np.sum(np.abs(x - z) ** 2, axis=(-3, -2, -1)) + T * np.sum(np.abs(x), axis=(-3, -2, -1))


def ball_objective(x, z):
    inside = np.all(np.linalg.norm(x, axis=-3) <= T + 1e-6, axis=(-2, -1))
    return np.where(inside, np.sum(np.abs(x - z) ** 2, axis=(-3, -2, -1)), np.inf)


def into_ball(x):
    return x * np.minimum(1, T / np.linalg.norm(x, axis=-3, keepdims=True))


@pytest.mark.parametrize(
    ("prox", "objective", "feasible"),
    [(soft_threshold, soft_objective, lambda x: x), (project_ball, ball_objective, into_ball)],
)
def test_no_neighbour_beats_the_prox_on_its_definition(prox, objective, feasible, z):
    rng = np.random.default_rng(1)
    result, exact = np.asarray(prox(z, T), np.complex128), np.asarray(z, np.complex128)
    best = objective(result, exact)
    assert np.isfinite(best)
    for size in (1e-2, 1e-1, 1):
        neighbours = feasible(result + size * rng.normal(size=(200, *z.shape, 2)) @ [1, 1j])
        assert np.all(objective(neighbours, exact) > best)
    # Towards 0 and towards z, directions in which a slightly wrong threshold would do better.
    for neighbour in (0.99 * result, result + 0.01 * (exact - result)):
        assert objective(feasible(neighbour), exact) > best - 1e-5


def test_soft_threshold_shrinks_magnitudes_and_keeps_phases(z):
    result = np.asarray(soft_threshold(z, T))
    np.testing.assert_allclose(np.abs(result), np.maximum(np.abs(z) - T, 0), atol=1e-6)
    kept = np.abs(z) > T
    assert 0 < kept.sum() < kept.size
    np.testing.assert_allclose(np.angle(result[kept]), np.angle(z)[kept], atol=1e-5)
    np.testing.assert_array_equal(soft_threshold(z, 0.0), z)
    np.testing.assert_array_equal(soft_threshold(z, 1e3), 0)
    np.testing.assert_allclose(soft_threshold(jnp.asarray([-2.0, 0.5, 3.0]), 1.0), [-1, 0, 2], atol=1e-6)


def test_project_ball_is_the_rest_of_the_group_threshold(z):
    """Moreau: z - prox of t ||.||_2 is the projection; groups lie along the first axis."""
    size = np.linalg.norm(z, axis=0)
    threshold = np.maximum(1 - T / size, 0) * np.asarray(z)
    np.testing.assert_allclose(project_ball(z, T), np.asarray(z) - threshold, atol=1e-6)
    np.testing.assert_allclose(project_ball(project_ball(z, T), T), project_ball(z, T), atol=1e-6)
    np.testing.assert_array_equal(project_ball(z, 1e3), z)
    np.testing.assert_array_equal(project_ball(z, 0.0), 0)


@pytest.mark.parametrize("prox", [soft_threshold, project_ball])
def test_gradients_equal_finite_differences(prox, z):
    """`sign(z) max(|z| - t, 0)` fails here: JAX takes the derivative of a complex sign to be 0."""
    size = np.linalg.norm(z, axis=0) if prox is project_ball else np.abs(z)
    assert np.min(np.abs(size - T)) > 3e-3
    check_grads(jax.jit(prox), (z, jnp.asarray(T)), order=1, modes=("fwd", "rev"), atol=2e-2, rtol=2e-2, eps=1e-3)


def test_the_phase_of_a_thresholded_number_has_a_gradient():
    """A step i d at z = 2 turns z by the angle d / 2.

    With t = 1 the result has length 1, and moves by i d / 2.
    """
    shrink = jax.jit(lambda z: soft_threshold(z, 1.0))
    tangent = jax.jvp(shrink, (np.complex64(2),), (np.complex64(1j),))[1]
    np.testing.assert_allclose(tangent, 0.5j, atol=1e-6)
    gradient = jax.grad(lambda z: jnp.imag(shrink(z)))(np.complex64(2))
    np.testing.assert_allclose(jnp.conj(gradient), 0.5j, atol=1e-6)


@pytest.mark.parametrize("prox", [soft_threshold, project_ball])
@pytest.mark.parametrize("t", [0.0, T])
def test_finite_at_zero(prox, t, z):
    z = z.at[:, :2].set(0)
    loss = jax.jit(lambda z, t: jnp.sum(jnp.abs(prox(z, t) - 1) ** 2))
    for point in (z, jnp.zeros_like(z)):
        value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(point, t)
        assert all(np.all(np.isfinite(leaf)) for leaf in (value, *gradients))
    np.testing.assert_array_equal(prox(z, t)[:, :2], 0)
