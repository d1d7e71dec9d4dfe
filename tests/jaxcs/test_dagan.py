"""DAGAN: PyTorch's layers, the published sizes, running statistics, the losses, and the method's pictures."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench import train
from bench.training import step
from bench.training.examples import Batch
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.nets import count_parameters, dagan_losses
from jaxcs.nets.by_two import double, halve
from jaxcs.nets.dagan import discriminator, generator
from jaxcs.recon import dagan as method
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import PARITY

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
STORED = PARITY / "automap_dagan.npz"
NET = generator(3, 2)


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return {name.removeprefix("dagan|"): file[name] for name in file.files if name.startswith("dagan")}


def part_of(stored, part, init):
    arrays = {name.removeprefix(f"{part}|"): value for name, value in stored.items() if name.startswith(f"{part}|")}
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(arrays["params|" + "|".join(entry.key for entry in path)]),
        jax.eval_shape(init, KEY),
    )
    return arrays, params


# ---- PyTorch's layers.


def test_halving_and_doubling_give_what_pytorch_gives(stored):
    x, kernel, halved, doubled = (stored[f"half|{name}"] for name in ("x", "kernel", "halved", "doubled"))
    assert relative_error(halve(x, kernel), halved) < 1e-6
    assert relative_error(double(x, kernel), doubled) < 1e-6
    back = np.vdot(halve(x, kernel), halved) - np.vdot(x, double(halved, kernel.swapaxes(2, 3)))
    assert abs(back) < 1e-3 * np.vdot(halved, halved)


def test_the_generator_gives_what_pytorch_gives(stored):
    arrays, params = part_of(stored, "generator", NET.init)
    assert relative_error(arrays["x"], arrays["y"]) > 0.1
    assert relative_error(quick(NET.apply)(params, arrays["x"]), arrays["y"]) < 1e-5

    def loss(params):
        images, new = NET.train(params, arrays["batch"])
        return jnp.mean(arrays["weight"] * images), (images, new)

    gradient, (images, new) = quick(jax.grad(loss, has_aux=True))(params)
    assert relative_error(images, arrays["trained"]) < 1e-5
    assert relative_error(gradient["down0"]["kernel"], arrays["gradient"]) < 1e-4
    assert not np.any(gradient["down1"]["mean"])
    assert not np.any(gradient["up0"]["variance"])
    check_running_statistics(params, new, arrays["batch"])


def check_running_statistics(params, new, batch):
    """The first normalised layer's input is one convolution away; no parameter but the statistics changes."""
    first = jax.nn.leaky_relu(halve(batch, params["down0"]["kernel"]) + params["down0"]["bias"], 0.2)
    x = np.asarray(halve(first, params["down1"]["kernel"]) + params["down1"]["bias"])
    old = params["down1"]
    np.testing.assert_allclose(new["down1"]["mean"], 0.9 * old["mean"] + 0.1 * np.mean(x, (0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(new["down1"]["variance"], 0.9 * old["variance"] + 0.1 * np.var(x, (0, 1, 2)), rtol=1e-4)
    for name, layer in params.items():
        for key, value in layer.items():
            assert np.array_equal(new[name][key], value) == (key not in ("mean", "variance")), (name, key)


def test_the_discriminator_gives_what_pytorch_gives(stored):
    net = discriminator((16, 8), 3, 4)
    arrays, params = part_of(stored, "discriminator", net.init)

    def loss(params):
        logits = net.apply(params, arrays["x"])
        return logits @ jnp.float32([1, -2, 0.5]), logits

    gradient, logits = quick(jax.grad(loss, has_aux=True))(params)
    assert relative_error(logits, arrays["logits"]) < 1e-4
    assert relative_error(gradient["down0"]["kernel"], arrays["gradient"]) < 1e-3


def test_the_published_networks_have_their_sizes_without_being_made():
    params = jax.eval_shape(generator().init, KEY)
    running = sum(layer[name].size for layer in params.values() if "mean" in layer for name in ("mean", "variance"))
    assert running == 13_056
    assert count_parameters(generator()) - running == 98_587_393
    assert count_parameters(discriminator((256, 256))) == 48_141_633
    image = jax.eval_shape(generator().apply, params, jax.ShapeDtypeStruct((256, 256, 1), jnp.float32))
    assert image.shape == (256, 256, 1)
    assert count_parameters(method.build(method.PRESETS["small"])) == 624_961


# ---- The losses.


def test_the_losses_are_those_of_their_formulas():
    rng = np.random.default_rng(0)
    images, targets = rng.uniform(-1, 1, (2, 3, 6, 5, 1))
    logits = rng.normal(size=3)
    error = np.mean([np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(images, targets, strict=True)])
    spectra = [np.abs(np.fft.fft2((x[..., 0] + 1) / 2)) for x in (images, targets)]
    real, fake = (-np.mean(np.log(1 / (1 + np.exp(-sign * logits)))) for sign in (1, -1))
    expected = 15 * error + 0.1 * np.mean((spectra[0] - spectra[1]) ** 2)
    inputs = jnp.float32(images), jnp.float32(targets)
    np.testing.assert_allclose(dagan_losses.generator_loss(*inputs, None), expected, rtol=1e-5)
    np.testing.assert_allclose(dagan_losses.generator_loss(*inputs, jnp.float32(logits)), expected + real, rtol=1e-5)
    found = dagan_losses.discriminator_loss(jnp.float32(logits), jnp.float32(logits))
    np.testing.assert_allclose(found, real + fake, rtol=1e-5)
    gradient = jax.grad(lambda x: dagan_losses.generator_loss(x, inputs[1], None))(inputs[1])
    assert np.all(np.isfinite(gradient))


# ---- The method.


def scan(shape=(11, 13)):
    rng = np.random.default_rng(0)
    image = rng.uniform(size=shape) * np.exp(1j)
    mask = jnp.asarray(rng.random(shape[1]) < 0.6)
    kspace = jnp.where(mask, fft2c(jnp.complex64(image)), 0)[None]
    return Measurement(kspace, mask, jnp.ones(kspace.shape, kspace.dtype))


def test_a_generator_that_changes_nothing_gives_the_zero_filled_magnitude():
    """On any size, and at any scale; the last layer's kernel of 0 leaves the refinement's input alone."""
    m, config = scan(), method.Config(3, 2)
    params = method.build(config).init(KEY)
    still = params | {"last": jax.tree.map(jnp.zeros_like, params["last"])}
    apply = quick(method.build(config).apply)
    zero_filled = jnp.abs(ifft2c(m.kspace[0]))
    assert relative_error(apply(still, m, KEY), zero_filled) < 1e-5
    loud = jax.tree.map(lambda leaf: 30 * leaf + 0.01, params)
    image = apply(loud, m, KEY)
    assert relative_error(image, zero_filled) > 0.05
    assert relative_error(apply(loud, m._replace(kspace=100 * m.kspace), KEY), 100 * image) < 1e-4
    assert relative_error(quick(method.build_complex(config))(loud, m), image) < 1e-5
    assert np.all(np.isfinite(apply(loud, m._replace(kspace=0 * m.kspace), KEY)))


def test_clipped_pixels_are_counted():
    m, config = scan(), method.Config(2, 1)
    params = method.build(config).init(KEY)
    bright = params | {"last": {"kernel": 0 * params["last"]["kernel"], "bias": jnp.float32([0.5])}}
    clipped = quick(lambda params: method.clipped_fraction(config, params, m))(bright)
    picture, _ = method.network_input(m)
    assert clipped == pytest.approx(float(np.mean(picture + np.tanh(0.5) > 1)), abs=0.01)
    assert clipped > 0.02


@pytest.mark.parametrize("wrong", [{"levels": 1}, {"channels": 0}])
def test_a_configuration_checks_itself(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        method.Config(**wrong)


def test_a_training_step_moves_the_running_statistics_to_those_of_the_batch():
    config = train.configuration(train.parser().parse_args(["--method", "dagan"]))
    entry = method.METHOD
    tiny = method.Config(2, 2)
    built = entry.build(tiny)
    params = built.init(KEY)
    rng = np.random.default_rng(0)
    kspace = (rng.normal(size=(1, 2, 1, 8, 8)) + 1j * rng.normal(size=(1, 2, 1, 8, 8))).astype(np.complex64)
    batch = Batch(kspace, np.ones((1, 2, 8), bool), np.ones((1, 2, 8, 8), np.float32), np.zeros((1, 2), np.complex64))
    functions = step.build(config, built, by_batch=entry.train(tiny))
    with jax.disable_jit():
        after, _ = functions.step(functions.init(params), batch, KEY)
    expected = entry.train(tiny)(params, Measurement(kspace[0], batch.mask[0], batch.maps[0]))[1]
    for leaf in ("mean", "variance"):
        assert not np.array_equal(after.params["up0"][leaf], params["up0"][leaf])
        np.testing.assert_allclose(after.params["up0"][leaf], expected["up0"][leaf], rtol=1e-5, atol=1e-7)
