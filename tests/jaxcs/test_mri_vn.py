"""The variational network with given maps: the formula, a published code and its weights, its constraints."""

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.complex import abs2, value_and_ascent
from jaxcs.fourier import fft2c, ifft2c
from jaxcs.nets import count_parameters
from jaxcs.nets.mri_vn import constrain, mri_vn
from jaxcs.nets.rbf import FACTOR, gaussian_activation
from jaxcs.recon import mri_vn as method
from jaxcs.recon import normalise
from jaxcs.types import Measurement
from jaxcs.weights.errors import WeightsError
from jaxcs.weights.mri_vn import import_mri_vn, is_mri_vn
from jaxcs.weights.torch_file import read_torch_file
from tests.helpers.asserts import complex_normal, relative_error
from tests.helpers.compiling import quick
from tests.helpers.places import DATA, PARITY

pytestmark = pytest.mark.usefixtures("one_form")
KEY = jax.random.key(0)
STORED = PARITY / "published_cascades.npz"
WEIGHTS = DATA / "weights" / "mri_vn_rixez.h5"
needs_data = pytest.mark.skipif(not WEIGHTS.is_file(), reason="the published weights are not beside the repository")


# ---- The activations.


def test_an_activation_is_the_sum_of_its_gaussians():
    rng = np.random.default_rng(0)
    z, weights = rng.uniform(-1.3, 1.3, (5, 7, 2)), rng.normal(size=(31, 2))
    distance = z[..., None, :] - np.linspace(-1, 1, 31)[:, None]
    gaussians = 0.4 * weights * np.exp(-(distance**2) / (2 * (2 / 30) ** 2))
    found, pull = jax.vjp(gaussian_activation, jnp.float32(z), jnp.float32(weights))
    assert relative_error(found, np.sum(gaussians, -2)) < 1e-6
    cotangent = rng.normal(size=z.shape)
    to_input, to_weights = pull(jnp.float32(cotangent))
    assert relative_error(to_input, cotangent * np.sum(gaussians * -distance * 15**2 * 4, -2) / 4) < 1e-5
    assert relative_error(to_weights, np.sum(cotangent[..., None, :] * gaussians / weights, (0, 1))) < 1e-5


def test_the_first_activation_is_nearly_linear():
    params = mri_vn(1, 1, 3).init(KEY)
    z = jnp.linspace(-0.8, 0.8, 50)[:, None]
    np.testing.assert_allclose(gaussian_activation(z, params["activation"][0]), 0.04 * z, rtol=0.01)


# ---- The network.


def test_the_parameters_are_as_many_as_the_paper_has():
    assert [count_parameters(mri_vn(filters=filters)) for filters in (24, 48)] == [65_530, 131_050]
    assert count_parameters(mri_vn(5, 12, 7)) == 7_745


def problem(shape=(6, 9), coils=2):
    rng = np.random.default_rng(1)
    maps = complex_normal(rng, (coils, *shape))
    mask = jnp.asarray(rng.random(shape[1]) < 0.5)
    kspace = jnp.where(mask, complex_normal(rng, (coils, *shape)), 0)
    return Measurement(kspace, mask, maps / jnp.sqrt(jnp.sum(abs2(maps), 0)))


def drawn(net):
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda leaf: jnp.float32(rng.normal(size=leaf.shape) * 0.3), jax.eval_shape(net.init, KEY))


def test_the_network_is_its_formula_pixel_by_pixel():
    """In NumPy with symmetric continuation, the filter as a sum over its pixels, and its transpose as a scatter."""
    net = mri_vn(2, 3, 3, 5, constrained=False)
    params, (kspace, mask, maps) = drawn(net), problem()
    adjoint = lambda y: np.sum(np.conj(maps) * ifft2c(np.where(mask, y, 0)), 0)  # noqa: E731
    u = np.asarray(adjoint(kspace))
    for t in range(2):
        kernel, weights = (np.asarray(params[name][t], np.float64) for name in ("kernel", "activation"))
        rows, columns = (np.pad(np.arange(n), 2, mode="symmetric") for n in u.shape)
        wide = u[rows][:, columns]
        parts = np.stack([wide.real, wide.imag])
        regulariser = np.zeros_like(parts)
        for k in range(3):
            for y in range(1, parts.shape[1] - 1):
                for x in range(1, parts.shape[2] - 1):
                    window = (slice(None), slice(y - 1, y + 2), slice(x - 1, x + 2))
                    taps = kernel[..., k].transpose(2, 0, 1)
                    z = np.sum(taps * parts[window])
                    phi = FACTOR * np.sum(weights[:, k] * np.exp(-((z - np.linspace(-1, 1, 5)) ** 2) / (2 * 0.5**2)))
                    regulariser[window] += taps * phi / 3
        image = (regulariser[0] + 1j * regulariser[1])[2:-2, 2:-2]
        u = u - image - float(params["data_consistency"][t]) * (adjoint(fft2c(maps * u)) - adjoint(kspace))
    assert relative_error(quick(net.apply)(params, kspace, mask, maps), u) < 1e-5


def test_the_constraints_hold_inside_the_network():
    net = mri_vn(2, 3, 5)
    params = jax.tree.map(lambda leaf: 2 * leaf + 1, net.init(KEY)) | {"data_consistency": jnp.float32([-1, 2])}
    allowed = constrain(params)
    np.testing.assert_allclose(jnp.mean(allowed["kernel"], (1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(jnp.sum(allowed["kernel"] ** 2, (1, 2, 3)), 1, rtol=1e-5)
    np.testing.assert_array_equal(allowed["data_consistency"], [0, 2])
    small = params | {"kernel": 0.1 * allowed["kernel"]}
    np.testing.assert_allclose(constrain(small)["kernel"], small["kernel"], atol=1e-7)
    m = problem()
    free = mri_vn(2, 3, 5, constrained=False)
    expected = quick(free.apply)(allowed, m.kspace, m.mask, m.maps)
    assert relative_error(quick(net.apply)(params, m.kspace, m.mask, m.maps), expected) < 1e-6
    cubes = lambda kernel: jnp.sum(constrain({**params, "kernel": kernel})["kernel"] ** 3)  # noqa: E731
    gradient = jax.grad(cubes)(0 * params["kernel"])
    assert np.all(np.isfinite(gradient))


# ---- The method.


def test_the_method_knows_no_scale_and_its_coil_images_are_the_image_times_the_maps():
    config, m = method.Config(2, 3, 5), problem()
    params = drawn(mri_vn(2, 3, 5))
    predict, image = quick(method.predict(config)), quick(method.build_complex(config))(params, m)
    found = predict(params, m)
    assert relative_error(found.coils, m.maps * image) < 1e-6
    assert relative_error(found.image, jnp.abs(image)) < 1e-6
    larger = predict(params, m._replace(kspace=100 * m.kspace))
    assert relative_error(larger.image, 100 * found.image) < 1e-5
    given = quick(method.build_complex(method.Config(2, 3, 5, scale="given")))(params, normalise(m)[0])
    assert relative_error(given * normalise(m)[1], image) < 1e-5
    nothing = predict(params, m._replace(kspace=0 * m.kspace))
    assert np.all(np.isfinite(nothing.image))


WRONG = [{"stages": 0}, {"size": 4}, {"gaussians": 1}, {"padding": "wrap"}, {"scale": "mean"}]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_configuration_checks_itself(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        method.Config(**wrong)


# ---- The published code and its weights.


@pytest.fixture(scope="module")
def stored():
    with np.load(STORED) as file:
        return {name.removeprefix("mri_vn|"): file[name] for name in file.files if name.startswith("mri_vn")}


def drawn_state(stored):
    return {name.removeprefix("drawn|"): value for name, value in stored.items() if name.startswith("drawn|cell_list")}


def check_case(stored, case, config, params):
    kspace, mask, maps, image, weight, gradient = (
        stored[f"{case}|{name}"] for name in ("kspace", "mask", "maps", "image", "weight", "gradient")
    )
    net = mri_vn(**config)
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, jax.eval_shape(net.init, KEY))

    def loss(y):
        image = net.apply(params, y, mask, maps)
        return jnp.sum(jnp.real(jnp.conj(weight) * image)), image

    assert relative_error(image, ifft2c(kspace).conj()[0]) > 0.05
    assert relative_error(quick(lambda y: loss(y)[1])(kspace), image) < 2e-5
    _, ascent = quick(value_and_ascent(lambda y: loss(y)[0]))(jnp.asarray(kspace))
    assert relative_error(ascent, gradient) < 1e-4


def test_drawn_weights_give_what_the_published_code_gives(stored):
    state = drawn_state(stored)
    assert is_mri_vn(state)
    config, params = import_mri_vn(state)
    assert config == {
        "stages": 2,
        "filters": 3,
        "size": 11,
        "gaussians": 31,
        "padding": "reflect",
        "constrained": False,
    }
    check_case(stored, "drawn", config, params)


@needs_data
def test_the_published_weights_give_what_the_published_code_gives(stored):
    config, params = import_mri_vn(read_torch_file(WEIGHTS.read_bytes()))
    assert method.Config(**config) == method.PRESETS["rixez"]
    check_case(stored, "published", config, params)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"cell_list.0.conv_kernel": None}, "no variational network with given maps"),
        ({"cell_list.1.conv_kernel": None}, "holds 'cell_list.1"),
        ({"cell_list.1.lamb": None}, "lacks the tensor 'cell_list.1.lamb'"),
        ({"cell_list.1.lamb": np.float32([1.0])}, r"'cell_list.1.lamb' has shape \(1,\)"),
        ({"cell_list.1.lamb": np.array(np.nan)}, "not finite"),
        ({"cell_list.0.conv_kernel": np.zeros((3, 1, 4, 4, 2))}, "4 x 4 pixels"),
        ({"cell_list.0.conv_kernel": np.zeros((0, 1, 3, 3, 2))}, "has shape"),
        ({"cell_list.0.activation.w": np.zeros(31)}, "lacks the tensor 'cell_list.0.activation.w'"),
        ({"cell_list.0.activation.w": np.zeros((1, 2, 1, 1, 31))}, "has shape"),
        ({"other": np.zeros(1)}, "holds 'other'"),
    ],
)
def test_what_is_not_the_network_is_refused(stored, change, problem):
    state = {name: value for name, value in (drawn_state(stored) | change).items() if value is not None}
    with pytest.raises(WeightsError, match=problem):
        import_mri_vn(state)


def quality(image, truth):
    """PSNR of magnitudes, peak of the truth [dB]."""
    return 10 * np.log10(np.max(truth) ** 2 / np.mean((np.abs(image) - truth) ** 2))


@needs_data
def test_the_published_weights_restore_a_measured_brain():
    """Some of the rows, which a column mask does not mix, at four-fold acceleration; maps from the whole scan."""
    with h5py.File(DATA / "multicoil" / "brain_mprage_4coil.h5") as file:
        kspace = file["kspace"][0]
    rows = slice(110, 142)
    near = np.hanning(32)[:, None] * np.hanning(32)
    smooth = ifft2c(np.pad(near, 112) * kspace)[:, rows]
    coils = ifft2c(kspace)[:, rows]
    maps = smooth / np.sqrt(np.sum(np.abs(smooth) ** 2, 0))
    mask = np.zeros(256, bool)
    mask[::4] = mask[118:138] = True
    config, params = import_mri_vn(read_torch_file(WEIGHTS.read_bytes()))
    scan, _ = normalise(Measurement(fft2c(coils) * mask, jnp.asarray(mask), jnp.asarray(maps)))
    after = quick(method.predict(method.Config(**config)))(params, scan).image
    before = np.abs(np.sum(np.conj(maps) * ifft2c(scan.kspace), 0))
    truth = np.abs(np.sum(np.conj(maps) * coils, 0))
    truth = truth * (np.sum(before * truth) / np.sum(truth**2))
    assert quality(after, truth) > quality(before, truth) + 5
