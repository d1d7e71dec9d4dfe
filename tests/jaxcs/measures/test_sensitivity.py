"""The sensitivity map against the row norms of whole Jacobians."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.measures.sensitivity import sensitivity_map
from jaxcs.recon import METHODS, sense
from jaxcs.threats import balls
from tests.helpers.asserts import relative_error
from tests.jaxcs.test_recon import measurement

SHAPE = (8, 12)


def row_norms(image, support):
    """Row norms of the Jacobian in the real and imaginary parts of the samples, a column at a time."""
    real = jax.jacobian(lambda parts: image(jnp.where(support, parts[0] + 1j * parts[1], 0)))
    columns = real(jnp.zeros((2, *support.shape), jnp.float32))
    return jnp.sqrt(jnp.sum(columns**2, axis=(2, 3, 4, 5)))


@jax.custom_vjp
def backward_only(image):
    return image


backward_only.defvjp(lambda image: (image, None), lambda _, gradient: (gradient,))


@pytest.mark.parametrize(("name", "forward"), [("zero_filled", True), ("sense", True), ("sense", False)])
def test_row_norms_are_those_of_the_jacobian(name, forward):
    m = measurement(SHAPE, 3)
    config = sense.Config(0.05) if name == "sense" else METHODS[name].config()
    method = METHODS[name].build(config).apply
    allowed = balls.measured(jnp.float32(0.005), m.kspace, m.mask)

    def image(delta):
        return method({}, m._replace(kspace=m.kspace + delta), None)

    probed = image if forward else lambda delta: backward_only(image(delta))
    found = jax.jit(lambda key: sensitivity_map(probed, allowed, key, 800))(jax.random.key(0))
    # 800 probes leave a relative standard deviation of 2.5 % on each pixel.
    np.testing.assert_allclose(found, row_norms(image, allowed.support), rtol=0.1)
    assert relative_error(found, row_norms(image, allowed.support)) < 0.04


def test_it_needs_one_ball():
    m = measurement(SHAPE, 3)
    with pytest.raises(ValueError, match="has a ball for each coil"):
        sensitivity_map(lambda delta: delta[0].real, balls.per_coil(jnp.float32(0.1), m.kspace, m.mask), None)
