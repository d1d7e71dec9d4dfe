"""ESPIRiT against BART, SigPy and the truth: stored maps of a simulated object, live maps of measured slices."""

import dataclasses
import importlib.util
import shutil

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.coils.coverage import left_out
from jaxcs.coils.espirit import PRESETS, EspiritConfig, check_calibration, espirit, kernel_for
from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.fourier import centre_crop, centre_pad, fft2c, ifft2c
from tests.helpers.asserts import complex_normal, float64, relative_error
from tests.helpers.places import MEASURED, PARITY
from tests.parity.make_espirit import bart_maps, sigpy_maps

SLICES = [("brain_vfa_13coil", i) for i in range(5)] + [("brain_t1_7coil", 0), ("brain_mprage_4coil", 0)]
FOUR_FOLD = 0.08  # share of the columns fully sampled about the centre, as in fastMRI's masks of acceleration 4
TOOLS = pytest.mark.parametrize("tool", ["bart", "sigpy"])
ALL = pytest.mark.parametrize("tool", list(PRESETS))
CENTRE = (24, 24)
# Small kernels compile in a third of the time, for results that do not depend on their size.
SMALL = {tool: dataclasses.replace(config, kernel_width=3) for tool, config in PRESETS.items()}

with np.load(PARITY / "espirit.npz") as file:
    STORED = dict(file)
KSPACE = jnp.asarray(STORED["kspace"])


def support(maps):
    return np.any(np.asarray(maps) != 0, axis=0)


def projection_error(maps, reference):
    """||S - R R^H S|| / ||S|| over the common support: independent of the phase at each pixel."""
    common = support(maps) & support(reference)
    maps, reference = np.asarray(maps)[:, common], np.asarray(reference)[:, common]
    assert maps.size
    return relative_error(reference * np.sum(reference.conj() * maps, axis=0), maps)


# ---- parity ----------------------------------------------------------------------------------------------------------


@TOOLS
def test_equal_to_the_stored_maps_of_the_tool(tool):
    maps = espirit(KSPACE, CENTRE, PRESETS[tool])
    assert projection_error(maps, STORED[tool]) < 1e-4
    assert np.mean(support(maps) != support(STORED[tool])) < 2e-3


def test_equal_to_bart_up_to_one_phase_for_all_pixels():
    maps, expected = np.asarray(espirit(KSPACE, CENTRE, PRESETS["bart"])), STORED["bart"]
    phase = np.vdot(expected, maps)
    assert relative_error(expected * phase / abs(phase), maps) < 1e-4


def measured_slice(name, index):
    path = MEASURED / f"{name}.h5"
    if not path.exists():
        pytest.skip(f"the measured slices are not part of the project and {path} is not here")
    with h5py.File(path) as file:
        kspace = file["kspace"][index]
    return kspace / np.abs(kspace).max()


@pytest.mark.skipif(shutil.which("bart") is None, reason="BART is not installed, so there is nothing to compare with")
@pytest.mark.parametrize(
    ("name", "index", "masked"), [(*s, False) for s in SLICES] + [(*s, True) for s in (SLICES[0], *SLICES[-2:])]
)
def test_equal_to_bart_on_measured_slices(name, index, masked):
    kspace = measured_slice(name, index)
    # The width is even: for an odd width BART takes a column less, because its centre then lies half a pixel aside.
    columns = round(FOUR_FOLD * kspace.shape[2]) // 2 * 2 if masked else kspace.shape[2]
    shape = check_calibration((kspace.shape[1], columns), PRESETS["bart"])
    maps, expected = espirit(jnp.asarray(kspace), shape, PRESETS["bart"]), bart_maps(kspace, shape)
    assert projection_error(maps, expected) < 1e-3
    assert np.mean(support(maps) != support(expected)) < 1e-3
    assert 0.3 < np.mean(support(maps)) < 0.9


@pytest.mark.skipif(importlib.util.find_spec("sigpy") is None, reason="SigPy is not installed to compare with")
@pytest.mark.parametrize(("name", "index"), [SLICES[0], *SLICES[-2:]])
def test_equal_to_sigpy_on_measured_slices(name, index):
    kspace = measured_slice(name, index)
    maps, expected = espirit(jnp.asarray(kspace), CENTRE, PRESETS["sigpy"]), sigpy_maps(kspace, CENTRE[0])
    assert projection_error(maps, expected) < 1e-3
    assert np.mean(support(maps) != support(expected)) < 1e-3


# ---- properties of maps ----------------------------------------------------------------------------------------------


@ALL
def test_unit_norm_on_the_support_and_zero_outside(tool):
    maps = np.asarray(espirit(KSPACE, CENTRE, PRESETS[tool]))
    norm = np.linalg.norm(maps, axis=0)
    np.testing.assert_allclose(norm[support(maps)], 1, atol=2e-6)
    assert maps.dtype == np.complex64
    assert 0.5 < np.mean(support(maps)) < 0.8
    assert not support(maps)[0, 0]


def test_true_sensitivities_where_the_object_is():
    maps = np.asarray(espirit(KSPACE, CENTRE, PRESETS["sigpy"]))
    image = np.linalg.norm(ifft2c(KSPACE), axis=0)
    bright = np.where(image > 0.1 * image.max(), maps, 0)
    assert np.mean(support(bright)) > 0.3
    assert projection_error(bright, STORED["sensitivities"]) < 0.01


@ALL
def test_coil_images_lie_in_the_span_of_the_maps(tool):
    maps, images = espirit(KSPACE, CENTRE, PRESETS[tool]), ifft2c(KSPACE)
    assert relative_error(maps * jnp.sum(jnp.conj(maps) * images, axis=0), images) < 0.01


def test_maps_of_other_data_do_not_fit():
    """Not just any unit vectors meet the bound of the previous test."""
    other = espirit(KSPACE[jnp.array([1, 2, 3, 0])], CENTRE, PRESETS["bart"])
    images = ifft2c(KSPACE)
    assert relative_error(other * jnp.sum(jnp.conj(other) * images, axis=0), images) > 0.2
    assert projection_error(other, STORED["bart"]) > 0.2


def test_converges_where_thirty_power_iterations_do_not():
    """Few columns of an object that fills the field of view: some next eigenvalues are close to the largest."""
    shape = (64, 56)
    coils = loop_sensitivities(shape, shape, 8, 64.0, 27.0)
    envelope = 1.2 + np.cos(2 * np.pi * np.arange(64) / 64)[:, None] * np.cos(2 * np.pi * np.arange(56) / 56)
    kspace = fft2c(jnp.asarray(coils * envelope, jnp.complex64))
    kspace += 1e-3 * jnp.abs(kspace).max() * complex_normal(np.random.default_rng(0), kspace.shape)
    maps = {
        name: espirit(kspace, (24, 16), dataclasses.replace(config, crop=0.0))
        for name, config in {
            "limit": EspiritConfig(n_iters=3000, momentum=0.0),
            "converged": EspiritConfig(),
            "bart": PRESETS["bart"],
        }.items()
    }
    assert projection_error(maps["converged"], maps["limit"]) < 0.01
    assert projection_error(maps["bart"], maps["limit"]) > 0.1


def test_only_the_centre_counts_and_no_scale():
    maps = espirit(KSPACE, CENTRE, PRESETS["bart"])
    centre = centre_pad(centre_crop(KSPACE, CENTRE), KSPACE.shape[1:])
    np.testing.assert_array_equal(espirit(centre, CENTRE, PRESETS["bart"]), maps)
    scaled = espirit(KSPACE * 2.0**-20, CENTRE, PRESETS["bart"])
    assert relative_error(scaled, maps) < 1e-4


def test_phase_is_smooth():
    """Neighbours on the support differ by no more than their true phases and the object's phase can."""
    maps = np.asarray(espirit(KSPACE, CENTRE, PRESETS["sigpy"]))
    for axis in (1, 2):
        step = np.sum(np.conj(maps) * np.roll(maps, 1, axis), axis=0)
        both = support(maps) & np.roll(support(maps), 1, axis - 1)
        assert np.min(np.real(step[both])) > 0.7


@pytest.mark.parametrize("coil", [0, 2])
@TOOLS
def test_a_coil_of_zeros_has_a_map_of_zeros(tool, coil):
    maps = np.asarray(espirit(KSPACE.at[coil].set(0), CENTRE, SMALL[tool]))
    assert not maps[coil].any()
    others = [i for i in range(len(maps)) if i != coil]
    assert projection_error(maps[others], espirit(KSPACE[jnp.array(others)], CENTRE, SMALL[tool])) < 1e-4


# ---- gradients -------------------------------------------------------------------------------------------------------


def combined_energy(kspace, images, shape, config):
    """Energy of the coil combination of fixed images, which does not depend on the phase of the maps."""
    maps = espirit(kspace, shape, config)
    combination = jnp.sum(jnp.conj(maps) * images, axis=0)
    return jnp.sum(jnp.real(combination) ** 2 + jnp.imag(combination) ** 2)


@ALL
def test_gradient_agrees_with_finite_differences(tool):
    rng = np.random.default_rng(0)
    images, direction = complex_normal(rng, KSPACE.shape), complex_normal(rng, KSPACE.shape)
    evaluate = jax.jit(lambda k, x: jax.value_and_grad(combined_energy)(k, x, (12, 12), SMALL[tool]))
    single = evaluate(KSPACE, images)[1]
    with float64(True):
        kspace, images, direction = (jnp.asarray(np.asarray(a), jnp.complex128) for a in (KSPACE, images, direction))
        ends = [evaluate(kspace + step * direction, images)[0] for step in (1e-6, -1e-6)]
        expected = (ends[0] - ends[1]) / 2e-6
        gradient = evaluate(kspace, images)[1]
        # JAX's gradient is the conjugate of the steepest ascent, so the product needs no other conjugate.
        assert abs(jnp.sum(jnp.real(gradient * direction)) - expected) < 1e-5 * abs(expected)
    assert relative_error(single, gradient) < 1e-2
    # Only the calibration region matters: rows 14 to 25 of 40, columns 12 to 23 of 37.
    assert not np.asarray(single.at[:, 14:26, 12:24].set(0)).any()


def zeroed(part):
    return {"a coil": KSPACE.at[1].set(0), "everything": jnp.zeros_like(KSPACE)}[part]


@pytest.mark.parametrize("part", ["a coil", "everything"])
def test_zeros_give_no_nan(part):
    images = complex_normal(np.random.default_rng(2), KSPACE.shape)
    with jax.debug_nans(True):
        maps = espirit(zeroed(part), CENTRE, SMALL["bart"])
        gradient = jax.grad(combined_energy)(zeroed(part), images, CENTRE, SMALL["bart"])
    assert np.isfinite(np.asarray(gradient)).all()
    assert support(maps).any() == (part == "a coil")


# ---- transformations and configuration -------------------------------------------------------------------------------


def test_vmap_over_slices_equals_a_loop():
    slices = jnp.stack([KSPACE, KSPACE[:, ::-1, :], KSPACE[::-1]])
    together = jax.vmap(lambda k: espirit(k, CENTRE, SMALL["bart"]))(slices)
    for kspace, maps in zip(slices, together, strict=True):
        assert relative_error(maps, espirit(kspace, CENTRE, SMALL["bart"])) < 1e-4


def test_compiles_once_per_shape_and_configuration():
    kspace = complex_normal(np.random.default_rng(3), (2, 14, 11))
    before = espirit._cache_size()
    for scale in (1, 2, 3):
        espirit(scale * kspace, (10, 9), EspiritConfig(kernel_width=3))
    assert espirit._cache_size() == before + 1


def test_defaults_are_those_of_bart_but_for_kernel_and_convergence():
    changed = dataclasses.replace(PRESETS["bart"], kernel_width=None, n_iters=60, momentum=0.99)
    assert changed == EspiritConfig() == PRESETS["converged"]
    assert (PRESETS["bart"].kernel_width, PRESETS["sigpy"].kernel_width) == (6, 6)
    assert EspiritConfig().threshold == pytest.approx(0.001**0.5)
    assert (PRESETS["sigpy"].threshold, PRESETS["sigpy"].crop) == (0.02, 0.95)


@pytest.mark.parametrize(
    ("columns", "kernel"), [(5, 3), (7, 3), (8, 4), (9, 4), (10, 5), (11, 5), (12, 6), (18, 6), (24, 6)]
)
def test_the_kernel_follows_the_smaller_side_of_the_calibration_region(columns, kernel):
    assert kernel_for((24, columns), EspiritConfig()) == kernel_for((columns, 24), EspiritConfig()) == kernel
    assert kernel_for((24, columns), PRESETS["bart"]) == 6


def test_few_columns_of_many_coils_have_maps_of_the_object_by_that_kernel_alone():
    shape, coils = (32, 28), 10
    y, x = (np.linspace(-1, 1, n) for n in shape)
    image = (np.hypot(y[:, None] / 0.8, x / 0.7) < 1) * (1 + 0.3 * np.cos(9 * x) * np.sin(7 * y[:, None]))
    maps = loop_sensitivities(shape, (32.0, 28.0), coils, 24.0, 7.0)
    kspace = fft2c(jnp.asarray(maps * image, jnp.complex64))
    kspace += 1e-4 * jnp.abs(kspace).max() * complex_normal(np.random.default_rng(0), kspace.shape)
    centre = jnp.abs(jnp.arange(28) - 14) < 3.5
    shares = {
        width: float(left_out(kspace, espirit(kspace, (24, 7), EspiritConfig(kernel_width=width)), centre))
        for width in (None, 6)
    }
    assert shares[None] < 0.05
    assert shares[6] > 0.2


@pytest.mark.parametrize(
    ("acs", "expected"),
    [((640, 29), (24, 24)), ((640, 15), (24, 15)), ((6, 400), (6, 24)), ((6, 6), (6, 6)), ((640, 5), (24, 5))],
)
def test_calibration_region(acs, expected):
    assert check_calibration(acs, EspiritConfig()) == expected


@pytest.mark.parametrize(
    ("acs", "tool", "least"),
    [((640, 4), "converged", 5), ((4, 30), "converged", 5), ((0, 0), "converged", 5), ((640, 5), "bart", 6)],
)
def test_a_centre_too_small_for_kernels_is_refused(acs, tool, least):
    with pytest.raises(ValueError, match=rf"at least {least} x.*{min(acs)}.*centre fraction") as error:
        check_calibration(acs, PRESETS[tool])
    assert "\n" not in str(error.value)
