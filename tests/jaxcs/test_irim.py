"""The invertible network: it is undone only in the right order, and its gradient is autodiff's, in less memory."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from bench import attack, train
from bench.run import estimate
from jaxcs.complex import root_sum_of_squares
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.nets import count_parameters, coupling, irim
from jaxcs.recon import METHODS
from jaxcs.recon import irim as method
from jaxcs.types import Measurement
from tests.helpers.asserts import complex_normal, relative_error
from tests.helpers.compiling import quick

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
COILS, WIDTH, SHAPE = 2, 11, (9, 14)
NET = irim.irim(3, WIDTH, (4, 3), (4, 1), COILS)


def drawn(init):
    """Draw parameters with which every layer has an effect; with the parameters of `init` none has."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32), jax.eval_shape(init, KEY))


def problem(net=NET, coils=COILS, width=WIDTH, shape=SHAPE):
    """Draw parameters, a latent image and the data."""
    rng = np.random.default_rng(0)
    mask = jnp.asarray(rng.random(shape[1]) < 0.5)
    parts = irim.to_channels(ifft2c(jnp.where(mask, complex_normal(rng, (coils, *shape)), 0)))
    latent = jnp.asarray(rng.normal(size=(*shape, width)), jnp.float32)
    return drawn(net.init), latent, irim.Data(parts, mask)


def plain(params, latent, data):
    """Run all steps for ordinary autodiff."""
    return lax.scan(lambda latent, step: (irim.forward(step, latent, data), None), latent, params)[0]


def test_the_steps_can_be_undone_last_first_and_not_in_the_published_order():
    params, latent, data = problem()
    out = quick(irim.run)(params, latent, data)
    assert relative_error(out, latent) > 0.5
    assert relative_error(quick(irim.undo)(params, out, data), latent) < 1e-5

    inverse = quick(irim.inverse)
    for order, right in (([2, 1, 0], True), ([-i for i in range(3)], False)):
        back = out
        for i in order:
            back = inverse(jax.tree.map(lambda leaf, i=i: leaf[i], params), back, data)
        assert (relative_error(back, latent) < 1e-5) == right
    assert relative_error(back, latent) > 0.02


def test_the_gradient_is_that_of_autodiff():
    params, latent, data = problem()
    weight = jnp.asarray(np.random.default_rng(1).normal(size=latent.shape), jnp.float32)

    def gradients(function):
        loss = lambda params, latent, zero_filled: jnp.sum(  # noqa: E731
            weight * jnp.sin(function(params, latent, data._replace(zero_filled=zero_filled)))
        )
        return quick(jax.grad(loss, (0, 1, 2)))(params, latent, data.zero_filled)

    found, expected = gradients(irim.run), gradients(plain)
    assert all(float(jnp.abs(leaf).max()) > 0 for leaf in jax.tree.leaves(expected))
    jax.tree.map(lambda left, right: np.testing.assert_array_less(relative_error(left, right), 1e-4), found, expected)


def test_memory_does_not_grow_with_layers_and_steps():
    """Memory grows by the parameters only, and these networks have few."""

    def bytes_of(function, steps, layers):
        net = irim.irim(steps, 8, (8,) * layers, (1,) * layers, 1)
        loss = lambda params, latent, data: jnp.sum(function(params, latent, data) ** 2)  # noqa: E731
        arguments = jax.eval_shape(partial(problem, net, 1, 8, (96, 96)))
        return quick(jax.grad(loss)).lower(*arguments).compile().memory_analysis().temp_size_in_bytes

    latent, sizes = 4 * 96 * 96 * 8, ((2, 1), (5, 2))
    small, large = (bytes_of(irim.run, *size) for size in sizes)
    assert large - small < latent
    small, large = (bytes_of(plain, *size) for size in sizes)
    assert large - small > 20 * latent


@pytest.mark.parametrize("width", [2, 7])
def test_channels_are_mixed_by_an_orthogonal_matrix(width):
    reflections = jax.random.normal(KEY, (3, width))
    matrix = np.asarray(coupling.mixing(reflections))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(width), atol=1e-5)
    v = np.asarray(reflections, np.float64)
    expected = np.linalg.multi_dot([np.eye(width) - 2 * np.outer(u, u) / (u @ u) for u in v])
    np.testing.assert_allclose(matrix, expected, atol=1e-5)


@pytest.mark.parametrize("stride", [1, 4])
def test_a_layer_is_mixing_and_coupling_and_mixing_back(stride):
    """The reference uses XLA's convolutions, on an image that the blocks do not divide."""
    ny, nx, width, half = 6, 9, 7, 3
    layer = drawn(lambda key: coupling.init(key, width, 5, stride))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(ny, nx, width)), jnp.float32)

    kernels = {}
    for name, axes in (("down", (0, 1, 2)), ("middle", (0, 1, 2)), ("up", (0, 1, 3))):
        kernel = np.asarray(layer[name])
        length = np.expand_dims(np.asarray(layer[f"{name}_length"]), axes)
        kernels[name] = jnp.asarray(length * kernel / np.sqrt(np.sum(kernel**2, axes, keepdims=True)))
    layout = ("NHWC", "HWIO", "NHWC")
    mixed = x @ coupling.mixing(layer["reflections"]).T
    read = jnp.pad(mixed[..., :half], ((0, -ny % stride), (0, -nx % stride), (0, 0)))[None]
    y = lax.conv_general_dilated(read, kernels["down"], (stride, stride), "VALID", dimension_numbers=layout)
    y = jax.nn.relu(y + layer["down_bias"])
    y = lax.conv_general_dilated(y, kernels["middle"], (1, 1), "SAME", dimension_numbers=layout)
    y = jax.nn.relu(y + layer["middle_bias"])
    y = lax.conv_transpose(y, jnp.flip(kernels["up"], (0, 1)), (stride, stride), "VALID", dimension_numbers=layout)
    value, gate = jnp.split(y[0, :ny, :nx], 2, -1)
    coupled = mixed.at[..., half:].add(value * jax.nn.sigmoid(gate))
    expected = coupled @ coupling.mixing(layer["reflections"])

    found = quick(coupling.forward)(layer, x)
    assert relative_error(found, x) > 0.01
    assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize(("shape", "columns"), [((8, 10), True), ((7, 9), False)])
def test_the_data_gradient_is_that_of_half_the_squared_misfit(shape, columns):
    rng = np.random.default_rng(2)
    mask = jnp.asarray(rng.random(shape[1] if columns else shape) < 0.5)
    kspace, x = (complex_normal(rng, (COILS, *shape)) for _ in range(2))
    kspace = jnp.where(mask, kspace, 0)
    misfit = lambda x: jnp.sum(jnp.abs(jnp.where(mask, fft2c(x) - kspace, 0)) ** 2) / 2  # noqa: E731
    expected = jnp.conj(jax.grad(misfit)(x))

    latent = jnp.concatenate([irim.to_channels(x), jnp.ones((*shape, WIDTH - 2 * COILS))], -1)
    data = irim.Data(irim.to_channels(ifft2c(kspace)), mask)
    found = irim.add_data_gradient(latent, data) - latent
    assert relative_error(irim.to_coils(found[..., 2 * COILS : 4 * COILS]), expected) < 1e-5
    np.testing.assert_array_equal(found[..., : 2 * COILS], 0)
    np.testing.assert_array_equal(found[..., 4 * COILS :], 0)


def measurement(coils):
    rng = np.random.default_rng(3)
    mask = rng.random(SHAPE[1]) < 0.5
    kspace = np.where(mask, complex_normal(rng, (coils, *SHAPE)), 0).astype(np.complex64)
    return Measurement(jnp.asarray(kspace), jnp.asarray(mask), jnp.zeros(()))


def test_untrained_it_gives_the_zero_filled_image_of_as_many_coils_as_there_are():
    config = method.Config(2, 16, (4,), (2,), 4)
    init, apply, _ = method.build(config)
    params = quick(init)(KEY)
    for coils in (3, 4):
        m = measurement(coils)
        expected = root_sum_of_squares(ifft2c(m.kspace))
        assert relative_error(apply(params, m, KEY), expected) < 1e-5
    with pytest.raises(ValueError, match="channels for 4 coils, the measurement has 5"):
        apply(params, measurement(5), KEY)


def test_units_do_not_matter():
    config = method.Config(2, 16, (4, 4), (2, 1), 4)
    init, apply, _ = method.build(config)
    params, m = drawn(init), measurement(4)
    image = apply(params, m, KEY)
    assert relative_error(image, root_sum_of_squares(ifft2c(m.kspace))) > 0.01
    assert relative_error(apply(params, m._replace(kspace=8 * m.kspace), KEY), 8 * image) < 1e-3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"width": 59}, "width is 59; it must be at least 60"),
        ({"strides": (1, 3), "hidden": (4, 4)}, r"strides are \(1, 3\); each must be a power of two"),
        ({"strides": (1,)}, "hidden has 12 layers and strides 1"),
        ({"hidden": ("4",)}, "hidden is .*; it must be a positive whole number for each layer"),
    ],
)
def test_configurations_that_make_no_network_are_refused(change, problem):
    with pytest.raises(ValueError, match=problem):
        method.Config(**change)


def test_the_published_configuration_and_the_small_one():
    assert method.PRESETS["paper"] == method.Config()
    counts = {}
    for name, config in method.PRESETS.items():
        layers = zip(config.hidden, config.strides, strict=True)
        each = [h * (s**2 * 1.5 * config.width + 9 * h + 5) + 3 * config.width for h, s in layers]
        counts[name] = count_parameters(method._net(config))
        assert counts[name] == config.steps * sum(each)
    assert counts == {"paper": 329_577_472, "small": 56_420}


def test_an_estimate_of_time_counts_its_multiplications():
    config = method.PRESETS["small"]
    apply, shape = method.build(config).apply, (8, 40, 32)
    params = jax.eval_shape(method.build(config).init, KEY)
    like = lambda shape, kind: jax.ShapeDtypeStruct(shape, kind)  # noqa: E731
    m = Measurement(like(shape, jnp.complex64), like(shape[-1:], bool), like((), jnp.complex64))
    flops = apply.lower(params, m, KEY).compile().cost_analysis()["flops"]
    # The compiler counts the loop over the steps once.
    subject = SimpleNamespace(method_config=config, params=params)
    assert 0.5 < estimate._multiplications(subject, shape) / config.steps / (flops / 2) < 2


def test_data_of_too_many_coils_are_refused_in_one_line(tmp_path, capsys):
    import h5py

    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        kspace = complex_normal(np.random.default_rng(0), (1, 9, 32, 32))
        file["kspace"] = np.asarray(kspace)
        file["reconstruction_rss"] = np.ones((1, 32, 32), np.float32)
    weights = ["--weights", "irim-phantom-knee"]
    assert attack.main(["--method", "irim", "--data", str(path), *weights, "--dry-run"]) == 2
    assert train.main(["--method", "irim", "--data", str(path), "--validation", str(path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all("at most 8 coils" in line and "have 9" in line and "--coils 8" in line for line in lines)


def test_it_is_a_method_that_needs_no_maps_and_trains_on_ssim():
    entry = METHODS["irim"]
    assert entry.trained
    assert not entry.uses_maps(entry.config())
    arguments = train.parser().parse_args(["--method", "irim"])
    assert train.configuration(arguments).loss == "ssim"


@pytest.mark.parametrize(("flags", "name"), [(["--phantom", "brain"], "phantom-brain"), (["--data", "x"], "brain-t2")])
def test_weights_that_are_not_shipped_are_asked_for(flags, name, capsys):
    data = " --data TRAINING --validation VALIDATION" if "--data" in flags else ""
    assert attack.main(["--method", "irim", *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        f"--weights: no irim-{name} come with the project; name a file of python -m bench.train --method irim{data}, "
        "or hf:OWNER/REPO"
    )
