"""FBPConvNet equals PyTorch's layers and has the published number of parameters; the method takes any sinogram."""

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.nets import convolution, count_parameters
from jaxcs.nets.fbpconvnet import fbpconvnet, max_pool, transposed_convolve_by_two
from jaxcs.operators.parallel_beam import ParallelBeam
from jaxcs.operators.radon import enough_detectors
from jaxcs.recon.fbpconvnet import PRESETS, Config, build, network_input
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.places import PARITY
from tests.jaxcs.test_float64 import assert_float32
from tests.jaxcs.test_radon import quick

STORED = dict(np.load(PARITY / "fbpconvnet.npz"))
KEY = jax.random.key(0)
TINY = Config(channels=2, levels=1)
SIZE, VIEWS = 16, 6


def measured(kspace):
    """A sinogram (1, detector, view) of 16 x 16 pixels as a measurement."""
    return Measurement(kspace, jnp.ones(kspace.shape[1:], bool), jnp.ones((1, SIZE, SIZE), jnp.float32))


EMPTY = measured(jnp.zeros((1, enough_detectors(SIZE), VIEWS), jnp.float32))
BEAM = ParallelBeam(EMPTY.maps, EMPTY.mask)


def stored_parameters():
    params: dict = {}
    for name, array in STORED.items():
        if name.startswith("params|"):
            *layers, entry = name.split("|")[1:]
            place = params
            for layer in layers:
                place = place.setdefault(layer, {})
            place[entry] = array
    return params


@pytest.fixture(autouse=True, scope="module")
def one_form():
    """XLA's convolution for any number of channels, which compiles faster; the other forms have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_FEW_CHANNELS", 0)
        patch.setattr(convolution, "_FEW_FOR_KERNEL", 0)
        yield


class Tiny(NamedTuple):
    """A compiled method with parameters and a sinogram, and the gradient of the image's energy in a sinogram."""

    apply: Any
    params: Any
    sinogram: Any
    energy_and_gradient: Any


@pytest.fixture(scope="module")
def tiny(one_form):
    method = build(TINY)
    # A correction that is not small, unlike that of the first parameters.
    params = jax.tree.map(lambda leaf: 20 * leaf if leaf.ndim > 1 else leaf, method.init(KEY))
    image = np.zeros((16, 16), np.float32)
    image[5:11, 4:9] = 2.0
    energy = quick(jax.value_and_grad(lambda y, params: jnp.sum(method.apply(params, measured(y), KEY) ** 2)))
    sinogram = BEAM.forward(image)
    return Tiny(quick(lambda y: method.apply(params, measured(y), KEY)), params, sinogram, lambda y: energy(y, params))


def test_network_is_pytorchs():
    """In value and gradient, with all parameters random."""
    net, params = fbpconvnet(4, 2), stored_parameters()
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, jax.eval_shape(net.init, KEY))

    @quick
    def value_and_gradient(image):
        y, transposed = jax.vjp(lambda image: net.apply(params, image), image)
        return y, transposed(STORED["weight"])[0]

    y, gradient = value_and_gradient(STORED["image"])
    assert relative_error(y - STORED["image"], STORED["y"] - STORED["image"]) < 1e-5
    assert relative_error(gradient, STORED["gradient"]) < 1e-4


def test_layers_are_pytorchs():
    assert relative_error(transposed_convolve_by_two(STORED["up|x"], STORED["up|kernel"]), STORED["up|y"]) < 1e-6
    np.testing.assert_array_equal(max_pool(STORED["pool|x"]), STORED["pool|y"])


@pytest.mark.parametrize(("name", "number"), [("paper", 34_562_945), ("small", 1_218_361), ("tiny", 415_556)])
def test_numbers_of_parameters(name, number):
    """The paper's configuration has the published network's number, without the moments that it stores and ignores."""
    config = PRESETS[name]
    assert count_parameters(fbpconvnet(config.channels, config.levels)) == number


def test_papers_configuration():
    """50 views of 512 x 512 pixels; nothing of this size is computed."""
    method = build(PRESETS["paper"])
    detectors = enough_detectors(512)
    shape = jax.ShapeDtypeStruct
    m = Measurement(
        shape((1, detectors, 50), jnp.float32), shape((detectors, 50), bool), shape((1, 512, 512), jnp.float32)
    )
    out = jax.eval_shape(method.apply, jax.eval_shape(method.init, KEY), m, KEY)
    assert (out.shape, out.dtype) == ((512, 512), jnp.float32)


def test_first_parameters():
    params = quick(fbpconvnet(16, 1).init)(KEY)
    for path, leaf in jax.tree.leaves_with_path(params):
        if path[-1].key == "kernel" and leaf.size > 1000:
            assert abs(np.std(leaf) / 0.01 - 1) < 0.1
        elif path[-1].key != "kernel":
            assert np.all(leaf == (path[-1].key == "scale"))
    kernels = [leaf for leaf in jax.tree.leaves(params) if leaf.ndim == 4]
    assert len({float(kernel.ravel()[0]) for kernel in kernels}) == len(kernels)


def test_method_is_the_network_of_the_filtered_back_projection(tiny):
    sinogram = tiny.sinogram
    fbp = BEAM.fbp(sinogram)
    x, scale = network_input(TINY, measured(sinogram))
    assert abs(np.max(np.abs(x)) - 1) < 1e-6
    assert relative_error(x * scale, fbp) < 1e-6
    image = tiny.apply(sinogram)
    assert relative_error(image, scale * quick(fbpconvnet(2, 1).apply)(tiny.params, x)) < 1e-5
    assert relative_error(image, fbp) > 0.02  # the network does something
    assert np.min(image) < 0  # and its sign is kept


def test_method_is_scale_equivariant_unless_the_scale_is_given(tiny):
    sinogram = tiny.sinogram
    assert relative_error(tiny.apply(1000 * sinogram), 1000 * tiny.apply(sinogram)) < 1e-5
    given = quick(lambda y: build(replace(TINY, scale="given")).apply(tiny.params, measured(y), KEY))
    assert relative_error(given(1000 * sinogram), 1000 * given(sinogram)) > 0.01
    large = replace(TINY, peak=500)
    assert abs(np.max(np.abs(network_input(large, measured(sinogram))[0])) - 500) < 1e-3


def test_gradient_in_the_sinogram(tiny):
    """Against central differences along the gradient itself: an attack follows it."""
    loss, sinogram = tiny.energy_and_gradient, tiny.sinogram
    gradient = loss(sinogram)[1]
    step = 1e-3 * jnp.linalg.norm(sinogram) * gradient / jnp.linalg.norm(gradient)
    slope = (loss(sinogram + step)[0] - loss(sinogram - step)[0]) / (2 * jnp.linalg.norm(step))
    assert abs(slope / jnp.linalg.norm(gradient) - 1) < 2e-2


def test_views_of_zeros_give_finite_images_and_gradients(tiny):
    """All views or some of them; zeros give zeros."""
    sinogram = tiny.sinogram
    for y in (jnp.zeros_like(sinogram), sinogram.at[..., 2:4].set(0)):
        value, gradient = tiny.energy_and_gradient(y)
        assert np.isfinite(value)
        assert np.all(np.isfinite(gradient))
    assert not np.any(tiny.apply(jnp.zeros_like(sinogram)))


def test_arrays_are_float32_if_jax_has_float64():
    method = build(TINY)
    params = jax.eval_shape(method.init, KEY)
    sinogram = jax.ShapeDtypeStruct(EMPTY.kspace.shape, jnp.float32)
    assert_float32(method.init, KEY)
    assert_float32(lambda p, y: jax.grad(lambda y: jnp.sum(method.apply(p, measured(y), KEY)))(y), params, sinogram)
    assert_float32(BEAM.forward, jax.ShapeDtypeStruct((SIZE, SIZE), jnp.float32))


@pytest.mark.parametrize("side", [8, 16, 100, 511])
def test_sides_that_cannot_be_halved_are_refused(side):
    net = fbpconvnet(2, 4)
    params = jax.eval_shape(net.init, KEY)
    with pytest.raises(ValueError, match=f"a side of {side} pixels cannot be halved 4 times .* multiple of 16"):
        jax.eval_shape(net.apply, params, jax.ShapeDtypeStruct((32, side), jnp.float32))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"channels": 0}, "channels is 0"),
        ({"levels": 0}, "levels is 0"),
        ({"scale": "range"}, "'range' is unknown; choose from peak, given"),
        ({"peak": 0}, "peak is 0; it must be positive"),
        ({"peak": float("nan")}, "peak is nan"),
    ],
)
def test_configurations_that_cannot_be_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        replace(TINY, **change)


def test_what_is_no_sinogram_is_refused(tiny):
    apply, m = build(TINY).apply, measured(tiny.sinogram)
    with pytest.raises(TypeError, match="the method reconstructs sinograms, which are real; this is complex64"):
        apply(tiny.params, m._replace(kspace=m.kspace + 0j), KEY)
    with pytest.raises(ValueError, match=r"sinogram is \(1, 25, 6\) and mask \(6,\)"):
        apply(tiny.params, m._replace(mask=m.mask[0]), KEY)
    with pytest.raises(ValueError, match=r"a sinogram's are real, \(1, size, size\)"):
        apply(tiny.params, m._replace(maps=m.maps[:, 1:]), KEY)
    with pytest.raises(ValueError, match="detectors cut an image of 16 columns"):
        apply(tiny.params, measured(m.kspace[:, :12]), KEY)
    with pytest.raises(ValueError, match="the network has no weights"):
        apply({}, m, KEY)
