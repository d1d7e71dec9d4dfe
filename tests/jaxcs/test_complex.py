import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcs.complex import abs2, l2_norm, largest, magnitude, real_dot, root_sum_of_squares, safe_sqrt, value_and_ascent
from tests.helpers.asserts import complex_normal

REDUCTIONS = {
    "abs2": lambda z: jnp.sum(abs2(z)),
    "magnitude": lambda z: jnp.sum(magnitude(z)),
    "root_sum_of_squares": lambda z: jnp.sum(root_sum_of_squares(z)),
    "l2_norm": l2_norm,
}


@pytest.fixture
def z():
    return complex_normal(np.random.default_rng(0), (3, 5, 4))


def test_values_equal_numpy(z):
    w = complex_normal(np.random.default_rng(1), z.shape)
    exact, other = np.asarray(z, np.complex128), np.asarray(w, np.complex128)
    np.testing.assert_allclose(abs2(z), np.abs(exact) ** 2, rtol=1e-6)
    np.testing.assert_allclose(magnitude(z), np.abs(exact), rtol=1e-6)
    np.testing.assert_allclose(root_sum_of_squares(z), np.linalg.norm(exact, axis=0), rtol=1e-6)
    np.testing.assert_allclose(real_dot(z, w), np.vdot(exact, other).real, rtol=1e-5)
    np.testing.assert_allclose(l2_norm(z), np.linalg.norm(exact), rtol=1e-6)


def test_real_arrays_are_complex_ones_without_imaginary_part():
    x = jnp.asarray([3.0, -4.0])
    np.testing.assert_allclose(abs2(x), [9, 16])
    np.testing.assert_allclose(magnitude(x), [3, 4])
    assert (float(l2_norm(x)), float(real_dot(x, 1j * x)), float(real_dot(x, x))) == (5, 0, 25)
    assert magnitude(x).dtype == magnitude(x + 1j).dtype == jnp.float32


def test_magnitudes_of_raw_scanner_data_do_not_underflow():
    np.testing.assert_allclose(magnitude(jnp.asarray([3e-15 + 4e-15j])), [5e-15], rtol=1e-6)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_gradients_of_complex_numbers_equal_finite_differences(name, z):
    z = z * (1 + 1 / abs(z))  # away from the kink at 0
    check_grads(jax.jit(REDUCTIONS[name]), (z,), order=1, modes=("fwd", "rev"), atol=1e-2, rtol=1e-2, eps=1e-2)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_gradient_at_zero_is_zero(name, z):
    z = z.at[:, :2].set(0)
    evaluate = jax.jit(jax.value_and_grad(REDUCTIONS[name]))
    value, gradient = evaluate(z)
    assert np.isfinite(value)
    np.testing.assert_array_equal(gradient[:, :2], 0)
    assert np.all(np.abs(gradient[:, 2:]) > 0)
    np.testing.assert_array_equal(evaluate(jnp.zeros_like(z))[1], 0)


def test_safe_sqrt_at_and_below_zero():
    x = jnp.asarray([-1.0, 0.0, 0.25, 4.0])
    np.testing.assert_array_equal(safe_sqrt(x), [0, 0, 0.5, 2])
    np.testing.assert_array_equal(jax.vmap(jax.grad(safe_sqrt))(x), [0, 0, 1, 0.25])
    np.testing.assert_array_equal(jax.vmap(lambda x: jax.jvp(safe_sqrt, (x,), (1.0,))[1])(x), [0, 0, 1, 0.25])


def test_value_and_ascent_of_a_squared_distance(z):
    a = complex_normal(np.random.default_rng(2), z.shape)
    value, ascent = value_and_ascent(lambda z: jnp.sum(abs2(z - a)))(z)
    np.testing.assert_allclose(value, np.sum(np.abs(np.asarray(z - a)) ** 2), rtol=1e-5)
    np.testing.assert_allclose(ascent, 2 * (z - a), rtol=1e-5)


def test_ascent_points_where_the_loss_grows_fastest(z):
    matrix = complex_normal(np.random.default_rng(3), (4, 4))
    loss = jax.jit(lambda z: jnp.sum(magnitude(z @ matrix)))
    _, ascent = value_and_ascent(loss)(z)
    directions = complex_normal(np.random.default_rng(4), (200, *z.shape)) + 0.3 * ascent
    slopes = jax.vmap(lambda d: jax.jvp(loss, (z,), (d / l2_norm(d),))[1])(directions)
    np.testing.assert_allclose(jax.jvp(loss, (z,), (ascent,))[1], l2_norm(ascent) ** 2, rtol=1e-4)
    assert float(jnp.max(slopes)) < float(l2_norm(ascent))


def test_the_gradient_of_the_largest_entry_is_that_of_one_entry():
    x = jnp.asarray([[1.0, 3.0], [3.0, -2.0]])
    value, gradient = jax.jit(jax.value_and_grad(largest))(x)
    assert value == 3
    np.testing.assert_array_equal(gradient, [[0, 1], [0, 0]])
    assert np.isnan(largest(x.at[1, 1].set(np.nan)))
