import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from jaxcs.fourier import centre_crop, centre_pad, centre_slice, fft2c, ifft2c, image_crop, image_slice
from tests.helpers.asserts import assert_adjoint, complex_normal, relative_error

SHAPES = [(6, 8), (7, 4), (31, 37)]
CROPS = [((8, 8), (4, 5)), ((7, 9), (4, 3)), ((6, 1), (6, 1))]
AXES = (-2, -1)


@pytest.mark.parametrize("shape", SHAPES)
def test_equal_to_numpy_and_unitary(shape):
    rng = np.random.default_rng(0)
    x, y = complex_normal(rng, (2, 3, *shape)), complex_normal(rng, (2, 3, *shape))
    exact = np.asarray(x, np.complex128)
    forward = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(exact, AXES), norm="ortho"), AXES)
    inverse = np.fft.fftshift(np.fft.ifft2(np.fft.ifftshift(exact, AXES), norm="ortho"), AXES)
    assert relative_error(fft2c(x), forward) < 1e-6
    assert relative_error(ifft2c(x), inverse) < 1e-6
    assert fft2c(x).dtype == ifft2c(x).dtype == jnp.complex64
    assert relative_error(ifft2c(fft2c(x)), x) < 1e-6
    np.testing.assert_allclose(jnp.linalg.norm(fft2c(x)), np.linalg.norm(exact), rtol=1e-6)
    assert_adjoint(fft2c, ifft2c, x, y)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_centre_is_at_half_the_size(shape):
    delta = np.zeros(shape, np.complex64)
    delta[shape[0] // 2, shape[1] // 2] = 1
    constant = np.full(shape, 1 / np.sqrt(delta.size))
    for transform in (fft2c, ifft2c):
        np.testing.assert_allclose(transform(delta), constant, atol=1e-7)
        np.testing.assert_allclose(transform(constant), delta, atol=1e-6)


def test_a_shift_of_the_image_is_a_phase_ramp_of_kspace_about_the_centre():
    shape = (6, 9)
    x = complex_normal(np.random.default_rng(1), shape)
    u = np.arange(shape[1]) - shape[1] // 2
    ramp = np.exp(-2j * np.pi * u / shape[1])
    assert relative_error(fft2c(jnp.roll(x, 1, axis=1)), fft2c(x) * ramp) < 1e-5


def test_gradients_equal_finite_differences():
    x = complex_normal(np.random.default_rng(2), (5, 6))
    chain = jax.jit(lambda x: ifft2c(centre_pad(centre_crop(fft2c(x), (2, 5)), (8, 7))))
    check_grads(chain, (x,), order=1, modes=("fwd", "rev"), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize(("large", "small"), CROPS)
def test_crop_and_pad_keep_the_centre_and_are_adjoint(large, small):
    rng = np.random.default_rng(3)
    x, y = complex_normal(rng, (2, *large)), complex_normal(rng, (2, *small))
    assert_adjoint(lambda x: centre_crop(x, small), lambda y: centre_pad(y, large), x, y)
    cropped, padded = centre_crop(x, small), centre_pad(y, large)
    centre = lambda a: a[:, a.shape[1] // 2, a.shape[2] // 2]  # noqa: E731
    np.testing.assert_array_equal(centre(cropped), centre(x))
    np.testing.assert_array_equal(centre(padded), centre(y))
    np.testing.assert_array_equal(centre_crop(padded, small), y)
    np.testing.assert_allclose(jnp.sum(jnp.abs(padded)), jnp.sum(jnp.abs(y)), rtol=1e-6)
    np.testing.assert_array_equal(centre_crop(x, large), x)


def test_the_cropped_samples_are_neighbours_in_order():
    np.testing.assert_array_equal(np.arange(9)[centre_slice(9, 4)], [2, 3, 4, 5])
    np.testing.assert_array_equal(np.arange(8)[centre_slice(8, 5)], [2, 3, 4, 5, 6])
    np.testing.assert_array_equal(np.arange(8)[centre_slice(8, 4)], [2, 3, 4, 5])


@pytest.mark.parametrize("width", [-1, 0, 6])
def test_a_width_that_does_not_fit_is_refused(width):
    with pytest.raises(ValueError, match=f"width {width} does not fit into an axis of length 5"):
        centre_slice(5, width)
    with pytest.raises(ValueError, match="does not fit"):
        centre_crop(jnp.zeros((5, 5)), (width, 5))


def test_padding_to_less_is_refused():
    with pytest.raises(ValueError, match="width 5 does not fit into an axis of length 4"):
        jax.jit(lambda x: centre_pad(x, (6, 4)))(jnp.zeros((5, 5)))


@pytest.mark.parametrize(("size", "width"), [(640, 320), (372, 320), (48, 33), (130, 65), (47, 32), (47, 33)])
def test_an_image_is_cropped_as_fastmri_crops_it(size, width):
    first = (size - width) // 2  # `center_crop` of the package
    assert image_slice(size, width) == slice(first, first + width)
    image = jnp.arange(size)[:, None] * jnp.ones(5)
    np.testing.assert_array_equal(image_crop(image, (width, 5))[:, 0], np.arange(first, first + width))


@pytest.mark.parametrize("width", [0, 6, -1])
def test_an_image_is_not_cropped_to_more_than_it_has(width):
    with pytest.raises(ValueError, match=f"width {width} does not fit"):
        image_crop(jnp.zeros((5, 5)), (5, width))
