"""AUTOMAP: PyTorch's layers, the inverse as parameters, the published size, the order of samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.fourier import fft2c, ifft2c
from jaxcs.masks import poisson
from jaxcs.nets import automap as nets
from jaxcs.nets import automap_inverse, count_parameters
from jaxcs.recon import automap as method
from jaxcs.types import Measurement
from tests.helpers.asserts import relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import PARITY

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
STORED = PARITY / "automap_dagan.npz"
SIDE = 12


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return {name.removeprefix("automap|"): file[name] for name in file.files if name.startswith("automap")}


def test_the_network_gives_what_pytorch_gives(stored):
    net = nets.automap(8, 30, 40, 3, mean="free")
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: stored["params|" + "|".join(entry.key for entry in path)], jax.eval_shape(net.init, KEY)
    )
    samples = jnp.asarray(stored["samples"])
    image, codes = quick(lambda values: nets.image_and_codes(params, values, 8, "free"))(samples)
    assert relative_error(image, stored["image"]) < 1e-5
    assert relative_error(codes, stored["codes"]) < 1e-5
    gradient = quick(jax.grad(lambda values: jnp.sum(stored["weight"] * net.apply(params, values))))(samples)
    assert relative_error(gradient, stored["gradient"]) < 1e-5


def test_the_published_network_has_its_size_without_being_made():
    """The whole network would take 3.6 GB."""
    config = method.PRESETS["paper"]
    reconstructor = method.build(config)
    params = jax.eval_shape(reconstructor.init, KEY)
    dense = [params[name]["kernel"].size + params[name]["bias"].size for name in ("dense1", "dense2")]
    assert dense == [492_775_000, 409_616_384]
    assert count_parameters(reconstructor) == 902_498_649
    kspace = jax.ShapeDtypeStruct((1, 128, 128), jnp.complex64)
    m = Measurement(kspace, jax.ShapeDtypeStruct((128, 128), bool), kspace)
    image = jax.eval_shape(reconstructor.apply, params, m, KEY)
    assert (image.shape, image.dtype) == ((128, 128), jnp.float32)
    gradient = jax.eval_shape(jax.grad(lambda p, m: jnp.sum(reconstructor.apply(p, m, KEY))), params, m)
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, params)
    assert count_parameters(method.build(method.PRESETS["small"])) == 3_539_231


# ---- The inverse.


def scan(mask, seed=0):
    """A real positive image, its measurement by one coil."""
    side = mask.shape[-1]
    y, x = np.meshgrid(np.linspace(-1, 1, side), np.linspace(-1, 1, side), indexing="ij")
    rng = np.random.default_rng(seed)
    image = np.float32(np.exp(-3 * ((x - 0.1) ** 2 + y**2)) + 0.1 * rng.random((side, side)))
    kspace = jnp.where(mask, fft2c(image), 0)[None]
    return image, Measurement(kspace, jnp.asarray(mask), jnp.ones(kspace.shape, kspace.dtype))


def drawn_mask(symmetric, side=SIDE):
    mask = np.fft.fftshift(np.random.default_rng(1).random((side, side)) < 0.4)
    mask[side // 2, side // 2] = True
    opposite = np.roll(mask[::-1, ::-1], (1, 1) if side % 2 == 0 else 0, (0, 1))
    return mask | opposite if symmetric else mask


def least_norm(mask, image):
    """NumPy's pseudo-inverse of the real matrix from images to real and imaginary parts of samples."""
    images = np.eye(image.size, dtype=np.complex64).reshape(-1, *image.shape)
    samples = np.asarray(fft2c(images))[:, mask].astype(complex)
    matrix = np.concatenate([samples.real, samples.imag], 1).T
    return (np.linalg.pinv(matrix, 1e-5) @ (matrix @ image.ravel())).reshape(image.shape)


@pytest.mark.parametrize(("side", "mean"), [(SIDE, "data"), (9, "free")])
def test_the_inverse_in_the_dense_layers_gives_the_zero_filled_image(side, mean):
    mask = drawn_mask(True, side)
    image, m = scan(mask)
    config = method.Config(side, int(mask.sum()), 2 * side**2, 3, mean=mean)
    params = automap_inverse.inverse_init(KEY, method.build(config).init(KEY), mask, gain=1e-3)
    expected = np.real(ifft2c(m.kspace[0]))
    assert relative_error(expected, image) > 0.05
    if mean == "free":
        expected = expected - np.mean(expected)
    assert relative_error(quick(method.build(config).apply)(params, m, KEY), expected) < 1e-4


def test_a_mask_that_is_not_symmetric_gives_the_image_of_least_norm_with_its_samples():
    mask = drawn_mask(False)
    image, m = scan(mask)
    config = method.Config(SIDE, int(mask.sum()), SIDE**2, 2)
    params = automap_inverse.inverse_init(KEY, method.build(config).init(KEY), mask, gain=1e-3)
    found = quick(method.build(config).apply)(params, m, KEY)
    assert relative_error(found, least_norm(mask, image)) < 1e-4
    assert relative_error(np.real(ifft2c(m.kspace[0])), found) > 0.05
    assert relative_error(fft2c(found)[mask], m.kspace[0][mask]) < 1e-4


def test_few_hidden_values_keep_the_lowest_frequencies():
    mask = drawn_mask(True)
    analysis, synthesis = automap_inverse.fourier_components(mask, 9)
    assert len(analysis) == len(synthesis) == 9
    image, _ = scan(mask)
    samples = np.fft.ifftshift(fft2c(image))[np.fft.ifftshift(mask)]
    low = fft2c((analysis @ np.concatenate([samples.real, samples.imag]) @ synthesis).reshape(SIDE, SIDE))
    used = np.hypot(*np.indices(low.shape) - SIDE // 2)[np.abs(low) > 1e-4]
    free = np.hypot(*np.indices(low.shape) - SIDE // 2)[mask & (np.abs(low) <= 1e-4)]
    assert used.max() <= free.min()


def test_training_begins_at_the_zero_filled_image_with_every_layer_free():
    """With the gain of the method, tanh bends the image by little, and no gradient vanishes but of channels unread."""
    mask = poisson((SIDE, SIDE), 1.667, 0.2, seed=0)
    image, m = scan(mask)
    config = method.Config(SIDE, int(mask.sum()), 2 * SIDE**2, 4)
    params = method.init_by_inverse(config, mask)(KEY)
    samples, size = method.network_input(config, m)

    def loss(params):
        found, codes = nets.image_and_codes(params, samples, SIDE, "data")
        return nets.training_loss(found, codes, image / size, zero_mean=False), found

    gradient, found = quick(jax.grad(loss, has_aux=True))(params)
    assert relative_error(size * found, least_norm(mask, image)) < 0.02
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(gradient["last"]))
    assert np.all(np.any(gradient["last"]["kernel"] != 0, (0, 1, 3)))
    assert np.any(gradient["dense1"]["kernel"] != 0)
    assert np.any(gradient["dense2"]["kernel"] != 0)


# ---- The method.


def test_samples_are_taken_row_by_row_from_the_corner():
    mask = drawn_mask(False)
    _, m = scan(mask)
    config = method.Config(SIDE, int(mask.sum()), 7, 2)
    samples, size = quick(lambda m: method.network_input(config, m))(m)
    expected = np.fft.ifftshift(m.kspace[0])[np.fft.ifftshift(mask)]
    np.testing.assert_allclose(size * samples, np.concatenate([expected.real, expected.imag]), rtol=1e-5, atol=1e-6)
    assert size == pytest.approx(float(jnp.max(jnp.abs(ifft2c(m.kspace)))))
    columns = Measurement(m.kspace, jnp.asarray(np.arange(SIDE) % 3 == 0), m.maps)
    by_column, _ = method.network_input(method.Config(SIDE, 4 * SIDE, 7, 2), columns)
    assert by_column.shape == (8 * SIDE,)


def test_the_image_has_the_measured_mean_and_any_scale():
    mask = drawn_mask(False)
    _, m = scan(mask)
    config = method.Config(SIDE, int(mask.sum()), 7, 2)
    params, apply = method.build(config).init(KEY), quick(method.build(config).apply)
    image = apply(params, m, KEY)
    np.testing.assert_allclose(np.mean(image), np.real(m.kspace[0, SIDE // 2, SIDE // 2]) / SIDE, rtol=1e-5)
    larger = m._replace(kspace=100 * m.kspace)
    assert relative_error(apply(params, larger, KEY), 100 * image) < 1e-4
    np.testing.assert_allclose(quick(method.build_complex(config))(params, m), image, rtol=1e-5)
    assert np.all(np.isfinite(apply(params, m._replace(kspace=0 * m.kspace), KEY)))


def test_another_number_of_samples_gives_nan_and_another_size_is_refused():
    mask = drawn_mask(False)
    _, m = scan(mask)
    for samples in (int(mask.sum()) - 1, int(mask.sum()) + 1):
        config = method.Config(SIDE, samples, 7, 2)
        assert np.all(np.isnan(method.network_input(config, m)[0]))
    with pytest.raises(ValueError, match="for 8 x 8 pixels"):
        method.network_input(method.Config(8, 30, 7, 2), m)
    with pytest.raises(ValueError, match="one coil, the measurement has 2"):
        method.network_input(config, m._replace(kspace=jnp.concatenate([m.kspace, m.kspace])))


def test_the_loss_is_that_of_its_formula():
    rng = np.random.default_rng(0)
    image, target, codes = rng.normal(size=(4, 4)), rng.normal(size=(4, 4)), rng.normal(size=(12, 12, 2))
    difference = image - target
    penalty = 1e-4 * np.sum(np.abs(codes))
    for zero_mean, expected in ((False, np.sum(difference**2)), (True, 16 * np.var(difference))):
        found = nets.training_loss(*map(jnp.float32, (image, codes, target)), zero_mean)
        np.testing.assert_allclose(found, expected + penalty, rtol=1e-5)


WRONG = [{"side": 0}, {"samples": 2000}, {"hidden": 0}, {"channels": 0}, {"mean": "none"}, {"scale": "mean"}]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_configuration_checks_itself(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        method.Config(**wrong)
