"""The networks equal PyTorch's in value and number of parameters; the convolution equals XLA's, with its gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.nets import convolution, count_parameters, layers
from jaxcs.nets.convolution import convolve
from jaxcs.nets.grouped import convolve_each
from jaxcs.nets.layers import normalise_and_rectify
from jaxcs.nets.unet import unet
from jaxcs.nets.varnet import calibration_region, norm_unet, varnet
from jaxcs.recon import METHODS
from jaxcs.recon import unet as unet_method
from jaxcs.types import Measurement
from jaxcs.weights.fastmri import import_unet, import_varnet
from jaxcs.weights.torch_file import read_torch_file
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import PARITY

STORED = dict(np.load(PARITY / "fastmri_networks.npz"))
CASES = {
    kind: sorted({name.rpartition("|")[0] for name in STORED if name.startswith(kind)}) for kind in ("unet", "varnet")
}
KEY = jax.random.key(0)

# Darestani et al. 2021, Tables 1 and 2, and Morshuis et al. 2022; counted from their definitions in fastMRI's code.
COUNTS = {
    ("unet", "u1"): 7_756_097,
    ("unet", "u2"): 1_939_105,
    ("unet", "u3"): 116_385,
    ("unet", "u4"): 484_817,
    ("unet", "u5"): 29_137,
    ("varnet", "v1"): 29_936_966,
    ("varnet", "v2"): 7_485_390,
    ("varnet", "v3"): 3_803_328,
    ("varnet", "v4"): 1_485_542,
    ("varnet", "v5"): 757_940,
    ("varnet", "half"): 5_182_202,
}


def weights(name):
    content = read_torch_file((PARITY / "torch_files" / f"{name}.pt").read_bytes())
    return (import_unet if name == "unet" else import_varnet)(content)


@pytest.mark.parametrize(("method", "variant"), COUNTS)
def test_numbers_of_parameters(method, variant):
    entry = METHODS[method]
    init = entry.build(entry.presets[variant]).init
    shapes = jax.eval_shape(init, KEY)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == COUNTS[method, variant]


def test_the_unet_of_two_channels_has_as_many_parameters_as_that_of_test_time_training():
    assert count_parameters(unet(2, 2, 64, 4)) == 31_024_386


@pytest.mark.parametrize("name", CASES["unet"])
def test_the_unet_equals_pytorch_for_odd_and_even_sizes(name, one_form):
    config, params = weights("unet")
    actual = quick(unet(**config).apply)(params, STORED[f"{name}|x"][..., None])[..., 0]
    assert relative_error(actual, STORED[f"{name}|y"]) < 1e-5


@pytest.mark.parametrize("name", CASES["varnet"])
def test_the_variational_network_equals_pytorch(name, one_form):
    """One to five coils, odd and even sizes, low-frequency lines given and inferred."""
    config, params = weights("varnet")
    net = varnet(**config, centre=int(name.rpartition("|")[2]))
    kspace, mask, image = (STORED[f"{name}|{what}"] for what in ("kspace", "mask", "image"))
    assert relative_error(quick(net.apply)(params, kspace, mask), image) < 1e-4
    assert image.shape == kspace.shape[1:]


def test_the_pipeline_around_the_unet_equals_fastmri(one_form):
    _, params = weights("unet")
    config = unet_method.Config(2, 2, crop=(16, 18))
    kspace, mask = STORED["pipeline|kspace"], STORED["pipeline|mask"]
    measurement = Measurement(jnp.asarray(kspace), jnp.asarray(mask), jnp.zeros(()))
    image = unet_method.build(config).apply(params, measurement, KEY)
    assert relative_error(image, STORED["pipeline|image"]) < 1e-5
    np.testing.assert_allclose(unet_method.clamped_fraction(config, measurement), STORED["pipeline|clamped"])


def test_a_mask_of_single_samples_gives_what_its_columns_give(one_form):
    """The path that transforms both axes, on a mask that both paths accept."""
    name = CASES["varnet"][0]
    config, params = weights("varnet")
    net = varnet(**config, centre=0)
    kspace, mask = STORED[f"{name}|kspace"], STORED[f"{name}|mask"]
    whole = np.broadcast_to(mask, kspace.shape[1:])
    assert relative_error(quick(net.apply)(params, kspace, whole), STORED[f"{name}|image"]) < 1e-4


@pytest.mark.parametrize(
    ("mask", "centre", "expected"),
    [
        ("00111100", 0, "00111100"),
        ("01111100", 0, "00111100"),  # as far as both sides reach
        ("001111110", 0, "000111100"),
        ("00001000", 0, "00001000"),  # at least the zero frequency
        ("11111111", 0, "11111111"),  # no gap at all
        ("10111101", 2, "00011000"),
        ("1011101", 3, "0011100"),
    ],
)
def test_the_calibration_region(mask, centre, expected):
    mask, expected = (np.array(list(text)) == "1" for text in (mask, expected))
    np.testing.assert_array_equal(calibration_region(jnp.asarray(mask), centre), expected)
    np.testing.assert_array_equal(
        calibration_region(jnp.asarray(mask[:, None] & mask), centre), expected[:, None] & expected
    )


def test_constant_images_have_finite_gradients(one_form):
    """fastMRI divides by the standard deviation, which is 0."""
    net = norm_unet(2, 1)
    params = net.init(KEY)
    loss = jax.jit(jax.value_and_grad(lambda image: jnp.sum(jnp.abs(net.apply(params, image) - 0.3) ** 2)))
    with jax.debug_nans(True):
        for value in (0, 1 + 2j):
            found, gradient = loss(jnp.full((8, 6), value, jnp.complex64))
            assert np.isfinite(found)
            assert np.all(np.isfinite(gradient))


SHAPES = [
    ((), 7, 5, 2, 3, 3),
    ((2,), 8, 6, 8, 8, 3),
    ((2, 2), 5, 4, 3, 4, 5),
    ((3,), 6, 6, 40, 30, 3),
    ((1,), 1, 1, 2, 2, 3),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_convolution_and_its_gradients_equal_those_of_xla(shape):
    *sizes, inputs, outputs, size = shape
    batch, ny, nx = sizes
    rng = np.random.default_rng(0)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    x, kernel, weight = draw(*batch, ny, nx, inputs), draw(size, size, inputs, outputs), draw(*batch, ny, nx, outputs)

    def both(function):
        evaluate = jax.value_and_grad(lambda x, k: jnp.sum(function(x, k) * weight), argnums=(0, 1))
        return function(x, kernel), evaluate(x, kernel)[1]

    found, expected = (jax.tree.leaves(jax.jit(lambda f=f: both(f))()) for f in (convolve, convolution.by_xla))
    for left, right in zip(found, expected, strict=True):
        assert relative_error(left, right) < 1e-5


@pytest.mark.parametrize(
    ("shape", "pixels"), [((2, 11, 9, 3, 4, 3), 30), ((3, 5, 7, 2, 3, 5), 1000), ((1, 8, 6, 5, 2, 1), 12)]
)
def test_the_gradient_of_many_channels_on_large_images_equals_that_of_xla(shape, pixels, monkeypatch):
    """Blocks have one row or several, and divide the image or not."""
    monkeypatch.setattr(convolution, "_PIXELS_OF_BLOCK", pixels)
    batch, ny, nx, inputs, outputs, size = shape
    rng = np.random.default_rng(0)
    x, gradient = (jnp.asarray(rng.normal(size=(batch, ny, nx, n)), jnp.float32) for n in (inputs, outputs))
    found = quick(lambda x, g: convolution._products_of_blocks(x, g, size))(x, gradient)
    kernel = jnp.zeros((size, size, inputs, outputs), jnp.float32)
    expected = jax.vjp(lambda kernel: convolution.by_xla(x, kernel), kernel)[1](gradient)[0]
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("shape", [((), 8, 5, 3, 4), ((2, 2), 7, 6, 12, 10), ((3,), 1, 4, 6, 7), ((), 10, 1, 8, 8)])
def test_the_convolution_of_fewer_products_equals_that_of_xla(shape, one_form, monkeypatch):
    monkeypatch.setattr(convolution, "_MUCH_WORK", 0)
    monkeypatch.setattr(convolution, "_PIXELS_A_CHANNEL", 0)
    batch, ny, nx, inputs, outputs = shape
    rng = np.random.default_rng(2)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)  # noqa: E731
    x, kernel, weight = draw(*batch, ny, nx, inputs), draw(3, 3, inputs, outputs), draw(*batch, ny, nx, outputs)

    def both(function):
        return function(x, kernel), jax.grad(lambda x, k: jnp.sum(function(x, k) * weight), (0, 1))(x, kernel)

    found, expected = (jax.tree.leaves(jax.jit(lambda f=f: both(f))()) for f in (convolve, convolution.by_xla))
    for left, right in zip(found, expected, strict=True):
        assert relative_error(left, right) < 1e-5


def test_the_gradient_of_normalisation_and_activation_is_that_of_their_formula():
    rng = np.random.default_rng(3)
    x, weight = (jnp.asarray(rng.normal(size=(2, 7, 6, 3)), jnp.float32) for _ in range(2))

    def formula(x):
        z = x - jnp.mean(x, (-3, -2), keepdims=True)
        z = z / jnp.sqrt(jnp.mean(z**2, (-3, -2), keepdims=True) + 1e-5)
        return jnp.where(z > 0, z, 0.2 * z)

    def slope(function):
        return jax.grad(lambda x: jnp.sum(weight * function(x)))

    for derive in (slope, lambda f: jax.grad(lambda x: jnp.sum(slope(f)(x) ** 2))):
        assert relative_error(derive(normalise_and_rectify)(x), derive(formula)(x)) < 1e-5


@pytest.mark.parametrize("offset", [0, 1e3])
def test_moments_in_one_pass_equal_those_of_float64(offset):
    image = np.random.default_rng(4).normal(size=(3, 40, 30, 2)) + offset
    image[0, :, :, 1] = offset
    z = image.astype(np.float32)
    exact = [moment(z.astype(np.float64), (-3, -2), keepdims=True) for moment in (np.mean, np.var)]
    for form in (layers._moments, layers._moments_at_once):
        mean, variance = form(jnp.asarray(z))
        np.testing.assert_allclose(mean, exact[0], rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(variance, exact[1], rtol=1e-5, atol=1e-7)


def test_the_convolution_under_vmap_scan_and_a_second_derivative():
    rng = np.random.default_rng(1)
    x, kernels = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 6, 5, 3), (2, 3, 3, 3, 3)))

    def curvature(function):
        def slope(x, kernels):
            chain = lambda x: jax.lax.scan(lambda x, k: (jnp.tanh(function(x, k)), None), x, kernels)[0]  # noqa: E731
            return jnp.sum(jax.grad(lambda x: jnp.sum(chain(x) ** 2))(x) ** 2)

        return jax.jit(jax.vmap(jax.grad(slope, argnums=(0, 1)), in_axes=(0, None)))(x, kernels)

    for left, right in zip(*(jax.tree.leaves(curvature(f)) for f in (convolve, convolution.by_xla)), strict=True):
        assert relative_error(left, right) < 1e-4


def test_images_with_kernels_of_their_own_have_the_gradients_of_xla():
    """A batch of fits, differentiated in its data: the kernels are shared at first, and each image has its own then."""
    rng = np.random.default_rng(5)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((3, 2, 6, 5, 2), (3, 3, 2, 2)))

    def fitted(function):
        def of_one(x):
            slope = jax.grad(lambda kernel: jnp.sum(jnp.tanh(function(x, kernel)) ** 2))
            return jnp.sum(function(x, kernel - 0.1 * slope(kernel - 0.1 * slope(kernel))) ** 2)

        return jax.jit(jax.vmap(jax.value_and_grad(of_one)))(x)

    for left, right in zip(fitted(convolve_each), fitted(convolution.by_xla), strict=True):
        assert relative_error(left, right) < 1e-5


def test_parameters_in_bfloat16_give_nearly_the_same_image(one_form):
    config, params = weights("varnet")
    net = varnet(**config, centre=0)
    name = CASES["varnet"][0]
    low = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    image = quick(net.apply)(low, STORED[f"{name}|kspace"], STORED[f"{name}|mask"])
    assert image.dtype == jnp.float32
    assert 1e-5 < relative_error(image, STORED[f"{name}|image"]) < 0.1
