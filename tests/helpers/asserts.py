"""Strong assertions that many tests share."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_prep.cases import InputError
from jaxcs.weights.errors import WeightsError
from tests.helpers.compiling import quick


def float64(enabled=True):
    """Enable JAX's float64 in a `with` block; its oldest versions have another name for it."""
    return jax.enable_x64(enabled) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64(enabled)


def complex_normal(rng, shape):
    """Draw complex standard normal numbers, complex64."""
    return jnp.asarray((rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64))


def relative_error(actual, expected):
    """Compute ||actual - expected|| / ||expected||."""
    actual, expected = np.asarray(actual), np.asarray(expected)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def assert_adjoint(forward, adjoint, x, y, tolerance=1e-5):
    """Assert Re<A x, y> = Re<x, A^H y>, shapes that agree, and that autodiff transposes A into A^H."""
    ax, ahy = forward(x), adjoint(y)
    assert ax.shape == y.shape
    assert ahy.shape == x.shape
    left, right = np.real(np.vdot(ax, y)), np.real(np.vdot(x, ahy))
    scale = max(np.linalg.norm(ax) * np.linalg.norm(y), np.linalg.norm(x) * np.linalg.norm(ahy), 1e-30)
    assert abs(left - right) <= tolerance * scale, (left, right, scale)
    (cotangent,) = jax.vjp(forward, x)[1](jnp.conj(y))
    scale = max(np.linalg.norm(ahy), 1e-30)
    assert np.linalg.norm(np.conj(cotangent) - ahy) <= 10 * tolerance * scale


def refused(read, path, *words):
    """Assert that reading raises an InputError of one line that begins with the file's name and has these words."""
    with pytest.raises(InputError) as caught:
        list(read(path))
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
    assert all(word in message for word in words), message


def assert_changed_bytes_are_refused(read, original):
    """Assert that `read` takes each of 400 contents with 1 to 5 changed bytes or refuses it, and refuses over half."""
    rng, refused = np.random.default_rng(0), 0
    for _ in range(400):
        content = bytearray(original)
        for position in rng.integers(len(content), size=rng.integers(1, 6)):
            content[position] = rng.integers(256)
        try:
            read(bytes(content))
        except WeightsError:
            refused += 1
    assert refused > 200


def assert_gradient(loss, at, rtol=0.02):
    """A small step along the gradient changes a loss by what it predicts, and the gradient at 0 is finite.

    Returns:
        The direction of steepest ascent.
    """
    evaluate = quick(jax.value_and_grad(loss))
    ascent = np.conj(np.asarray(evaluate(at)[1]))
    square = np.sum(np.abs(ascent) ** 2)
    step = 1e-3 * np.linalg.norm(at) / square**0.5
    ahead, behind = (evaluate(at + sign * step * ascent)[0] for sign in (1, -1))
    np.testing.assert_allclose((ahead - behind) / (2 * step), square, rtol=rtol)
    assert np.all(np.isfinite(evaluate(jnp.zeros_like(at))[1]))
    return ascent
