"""The un-trained networks equal PyTorch's in value, gradient and number of parameters; resampling follows its rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.nets import convolution, count_parameters
from jaxcs.nets.conv_decoder import conv_decoder, size_schedule
from jaxcs.nets.convolution import convolve_by_two
from jaxcs.nets.deep_decoder import deep_decoder
from jaxcs.nets.deep_image_prior import deep_image_prior
from jaxcs.nets.resample import bilinear, nearest, nearest_places
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import PARITY

STORED = dict(np.load(PARITY / "untrained_networks.npz"))
KEY = jax.random.key(0)
CASES = sorted({name.removesuffix("|z") for name in STORED if name.endswith("|z")})
RESAMPLED = sorted({name.removesuffix("|x") for name in STORED if name.endswith("|x")})
OUT_SIZE = (640, 368)


@pytest.fixture
def one_form(one_form, monkeypatch):
    """The convolution of all kernels, too, is XLA's; other tests cover the other forms."""
    monkeypatch.setattr(convolution, "_FEW_FOR_KERNEL", 0)


def small_nets():
    return {
        "conv": conv_decoder((13, 9), 2, channels=4, layers=2, in_size=(5, 4)),
        "deep": deep_decoder((13, 9), 2, channels=4, layers=2, in_size=(5, 4)),
        "prior": deep_image_prior((7, 6), 2, channels=4, skips=(2,)),
    }


def case(name):
    """(network, parameters, input)."""
    kind, ny, nx, *rest = name.split("|")
    size, channels, outputs = (int(ny), int(nx)), STORED[f"{name}|z"].shape[-1], STORED[f"{name}|y"].shape[-1]
    if kind == "prior":
        net = deep_image_prior(size, outputs, channels, tuple(int(skip) for skip in rest[0].split("-")))
    else:
        build = {"conv": conv_decoder, "deep": deep_decoder}[kind]
        net = build(size, outputs, channels, int(rest[0]), STORED[f"{name}|z"].shape[:2], bool(int(rest[1])))
    params: dict = {}
    for key, array in STORED.items():
        if key.startswith(f"{name}|params|"):
            layer, entry = key.split("|")[-2:]
            params.setdefault(layer, {})[entry] = array
    return net, params, STORED[f"{name}|z"]


@pytest.mark.parametrize(
    ("net", "count"),
    [
        (conv_decoder(OUT_SIZE, 30), 1_850_560),
        (conv_decoder(OUT_SIZE, 30, channels=256), 4_730_368),
        (conv_decoder(OUT_SIZE, 30, channels=200, layers=7, in_size=(10, 5), bias=True), 2_530_230),
        (deep_decoder(OUT_SIZE, 30), 1_372_640),
        (deep_image_prior(OUT_SIZE, 30), 31_514_182),
    ],
)
def test_numbers_of_parameters(net, count):
    """Darestani & Heckel 2020 and Darestani et al. 2021; for the prior only "31.5 million" is published."""
    assert count_parameters(net) == count


def test_the_size_schedule():
    sizes = [(15, 8), (28, 15), (53, 28), (98, 53), (183, 102), (343, 193), (640, 368)]
    assert size_schedule((8, 4), OUT_SIZE, 8) == tuple(sizes)
    assert size_schedule((3, 2), (5, 9), 2) == ((5, 9),)
    with pytest.raises(ValueError, match="at least 2"):
        size_schedule((3, 2), (5, 9), 1)


@pytest.mark.parametrize("name", CASES)
def test_the_networks_and_a_gradient_equal_those_of_pytorch(name, one_form):
    net, params, z = case(name)
    expected = jax.tree.map(jnp.shape, jax.eval_shape(net.init, KEY))
    assert jax.tree.map(np.shape, params) == expected
    layer = next(key for key in STORED if key.startswith(f"{name}|gradient|")).split("|")[-2]

    def loss(kernel, z):
        y = net.apply({**params, layer: {**params[layer], "kernel": kernel}}, z)
        return jnp.sum((y - STORED[f"{name}|target"]) ** 2), y

    gradient, y = quick(jax.grad(loss, has_aux=True))(params[layer]["kernel"], z)
    assert relative_error(y, STORED[f"{name}|y"]) < 1e-5
    assert relative_error(gradient, STORED[f"{name}|gradient|{layer}|kernel"]) < 1e-5


@pytest.mark.parametrize("name", RESAMPLED)
def test_resampling_and_its_gradient_equal_those_of_pytorch(name):
    function = {"nearest": nearest, "bilinear": bilinear}[name.split("|")[0]]
    x, y, weight, gradient = (STORED[f"{name}|{what}"] for what in ("x", "y", "weight", "gradient"))
    resample = lambda x: function(x, y.shape[:2])  # noqa: E731

    def evaluate(x, weight):
        actual, pull = jax.vjp(resample, x)
        # The gradient is linear, so that its derivative is the resampling again.
        again = jax.vjp(lambda w: pull(w)[0], weight)[1](x)[0]
        return [actual, again, resample(x[None])[0], jax.vmap(resample)(x[None])[0]], pull(weight)[0]

    images, found = quick(evaluate)(x, weight)
    for image in images:
        np.testing.assert_allclose(image, y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, gradient, rtol=1e-5, atol=1e-6)


def test_the_nearest_pixel_is_that_of_pytorch_for_many_sizes():
    stop = 0
    for into, out in STORED["places"].tolist():
        start, stop = stop, stop + out
        np.testing.assert_array_equal(nearest_places(into, out), STORED["place"][start:stop])
    assert stop == len(STORED["place"])


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_a_stride_of_two_takes_every_second_pixel(size):
    rng = np.random.default_rng(0)
    x, kernel = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 7, 8, 3), (size, size, 3, 4)))
    expected = convolution.by_xla(x, kernel)[:, ::2, ::2]
    assert relative_error(quick(convolve_by_two)(x, kernel), expected) < 1e-5


@pytest.mark.parametrize("kind", small_nets())
def test_the_initial_distribution(kind):
    """As in PyTorch: kernels and biases uniform within 1 / sqrt(fan in), and identity normalisations; z in [0, 1)."""
    net = small_nets()[kind]
    params, z = quick(lambda key: (net.init(key), net.draw_input(key)))(KEY)
    z = np.asarray(z)
    assert z.dtype == np.float32
    assert 0 <= z.min() < 0.3
    assert 0.7 < z.max() < 1
    for name, layer in params.items():
        if "scale" in layer:
            np.testing.assert_array_equal(layer["scale"], 1)
            np.testing.assert_array_equal(layer["bias"], 0)
            continue
        bound = np.prod(layer["kernel"].shape[:-1]) ** -0.5
        assert 0.5 * bound < np.abs(layer["kernel"]).max() <= bound, name
        assert np.abs(layer.get("bias", np.zeros(1))).max() <= bound, name


@pytest.mark.parametrize("kind", small_nets())
def test_a_constant_input_has_finite_gradients(kind, one_form):
    net = small_nets()[kind]
    gradient = quick(jax.grad(lambda params, z: jnp.sum(net.apply(params, z) ** 2)))
    params = quick(net.init)(KEY)
    for value in (0.0, 1.0):
        found = gradient(params, jnp.full_like(net.draw_input(KEY), value))
        assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))


@pytest.mark.parametrize("kind", small_nets())
def test_many_networks_at_once_give_what_each_gives(kind, one_form):
    net = small_nets()[kind]
    params, z = quick(jax.vmap(net.init))(jax.random.split(KEY)), net.draw_input(KEY)
    assert not np.allclose(*params["last"]["kernel"])
    # The gradient of one network is enough: they share the layers, and it takes long to compile.
    value = lambda params: jnp.sum(net.apply(params, z) ** 2)  # noqa: E731
    step = jax.value_and_grad(value) if kind == "conv" else value
    one = quick(step)
    singles = [one(jax.tree.map(lambda leaf, i=i: leaf[i], params)) for i in range(2)]
    together, expected = quick(jax.vmap(step))(params), jax.tree.map(lambda *leaves: jnp.stack(leaves), *singles)
    for left, right in zip(jax.tree.leaves(together), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-4 * np.abs(right).max() + 1e-4)


@pytest.mark.parametrize("kind", small_nets())
def test_parameters_in_bfloat16_give_nearly_the_same_image(kind, one_form):
    net = small_nets()[kind]
    params, z = quick(net.init)(KEY), net.draw_input(KEY)
    image = quick(net.apply)(params, z)
    low = quick(net.apply)(jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params), z)
    assert low.shape == image.shape
    assert low.dtype == jnp.bfloat16
    assert 1e-4 < relative_error(low.astype(jnp.float32), image) < 0.2
