"""Shearlets, total generalised variation, and their minimum, each against programs that others wrote."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.fourier import fft2c, ifft2c
from jaxcs.masks import poisson
from jaxcs.operators import second_order
from jaxcs.operators.shearlet_windows import FAMILIES, _compact, windows
from jaxcs.operators.shearlets import shearlets
from jaxcs.recon import shearlets as method
from jaxcs.types import Measurement
from tests.helpers.asserts import assert_adjoint, complex_normal, relative_error
from tests.helpers.places import PARITY
from tests.jaxcs.test_recon import measurement


def test_compact_windows_are_those_of_shearlab():
    """Its numbering of the shears of the first cone runs the other way."""
    with np.load(PARITY / "shearlets.npz") as stored:
        made = _compact(tuple(stored["shape"]), tuple(stored["levels"].tolist()))[:, stored["rows"], stored["columns"]]
        for cone_and_scale in {tuple(band[:2]) for band in stored["bands"]}:
            same = np.flatnonzero((stored["bands"][:, :2] == cone_and_scale).all(1))
            expected = stored["windows"][same[::-1] if cone_and_scale[0] == 1 else same]
            np.testing.assert_allclose(made[same], expected, atol=1e-7)
        np.testing.assert_allclose(np.sum(made**2, axis=0), stored["spectrum"], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shape", [(16, 24), (15, 16), (13, 11)])
def test_a_tight_system_keeps_energy_and_real_images_real(family, shape):
    levels = (0, 1, 2)
    made = windows(family, shape, levels, True)
    assert made.shape == (4 + 8 + 16 + 1, *shape)
    np.testing.assert_allclose(np.sum(made.astype(float) ** 2, axis=0), 1, atol=1e-6)
    rows, columns = (-np.arange(n) % n for n in shape)
    np.testing.assert_allclose(made, made[:, rows[:, None], columns], atol=1e-7)
    assert made[-1, 0, 0] == pytest.approx(1)
    assert not made[:-1, 0, 0].any() or np.abs(made[:-1, 0, 0]).max() < 1e-4


def test_the_transform_and_its_adjoint():
    rng = np.random.default_rng(0)
    x, y = complex_normal(rng, (12, 10)), complex_normal(rng, (13, 12, 10))
    for tight in (True, False):
        psi = shearlets((12, 10), (0, 1), "compact", tight)
        assert_adjoint(psi.forward, psi.adjoint, x, y)
        again = psi.adjoint(psi.forward(x))
        assert relative_error(again, jnp.fft.ifft2(psi.spectrum * jnp.fft.fft2(x))) < 1e-5
        assert (relative_error(again, x) < 1e-5) == tight
    assert not jnp.iscomplexobj(psi.forward(x.real))


def test_an_edge_has_coefficients_in_its_own_direction_alone():
    """A vertical edge in the bands about the horizontal frequencies, and there in those without shear."""
    image = np.zeros((32, 32), np.float32)
    image[:, 10:20] = 1
    for family in FAMILIES:
        energy = np.sum(np.asarray(shearlets((32, 32), (0, 1), family).forward(image)) ** 2, axis=(1, 2))[:-1]
        finest = energy[4:] if family == "meyer" else energy[[*range(3, 8), *range(9, 12)]]
        assert finest.argmax() == (0 if family == "meyer" else 2)


def test_differences_of_second_order_and_their_symbols():
    rng = np.random.default_rng(1)
    u, p, q = (complex_normal(rng, (*lead, 6, 5)) for lead in ((), (2,), (3,)))
    assert_adjoint(second_order.gradient, second_order.gradient_adjoint, u, p)
    assert_adjoint(second_order.strain, second_order.strain_adjoint, p, q)
    d, normal = second_order.symbols((6, 5))
    spectrum = np.fft.fft2(p)
    assert relative_error(np.fft.fft2(second_order.gradient(u)), d * np.fft.fft2(u)) < 1e-5
    expected = np.einsum("ijyx,jyx->iyx", normal, spectrum)
    assert relative_error(np.fft.fft2(second_order.strain_adjoint(second_order.strain(p))), expected) < 1e-5
    # An affine image has no second differences, except at the border, where the period ends.
    ramp = jnp.arange(6.0)[:, None] + 2 * jnp.arange(5.0)
    assert np.abs(second_order.strain(second_order.gradient(ramp)))[:, 1:-1, 1:-1].max() == 0


def test_the_eliminated_system_is_that_of_all_three_variables():
    config = replace(method.FOURIER, levels=(1,))
    system = method._system(config, (6, 5))
    d, strains = second_order.symbols((6, 5))
    (shear, first, second), size = config.mu, np.abs(d) ** 2
    whole = np.zeros((3, 3, 6, 5), complex)
    whole[0, 0] = 0.7 + shear + first * size.sum(0)
    whole[1:, 0], whole[0, 1:] = -first * d, -first * np.conj(d)
    whole[1:, 1:] = first * np.eye(2)[:, :, None, None] + second * strains
    inverse = np.linalg.inv(np.moveaxis(whole, (0, 1), (2, 3)))
    np.testing.assert_allclose(1 / (0.7 + system.rest), inverse[..., 0, 0].real, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "mu"), [("tgv", (0.0, 30.0, 30.0)), ("shearlets", (300.0, 0, 0)), ("both", (10.0,) * 3)]
)
def test_the_minimum_without_weights_is_that_of_cvxpy(name, mu):
    with np.load(PARITY / "cvxpy_shearlets.npz") as stored:
        m = Measurement(stored["kspace"], stored["mask"], stored["maps"])
        reference, value = stored[f"x_{name}"], stored[f"objective_{name}"]
        field = stored[f"field_{name}"] if f"field_{name}" in stored else np.zeros((2, 16, 16), np.complex64)
    settings = {"levels": (1,), "lam": 0.3, "alpha": (1.0, 1.5), "beta": 1e3, "outer": 300}
    config = replace(method.PRESETS["plain"], mu=mu, **settings)
    found = jax.jit(lambda m: method.solve(config, m).image)(m)
    x = found * m.maps[0]
    np.testing.assert_allclose(method.objective(config, reference, field), value, rtol=1e-5)
    # With the reference's vector field the value is a bound for the image's.
    assert method.objective(config, x, field) < (1 + (1e-3 if name == "shearlets" else 1e-4)) * value
    if name != "shearlets":
        assert relative_error(x, reference) < 3e-3
    assert np.linalg.norm(np.where(m.mask, fft2c(x) - m.kspace[0], 0)) < 1e-4 * np.linalg.norm(m.kspace)


def test_the_published_iteration_meets_the_data_and_beats_zero_filling():
    """Single samples, 60 %, as in the published comparison."""
    mask = poisson((48, 40), 1 / 0.6, 0.1, 0)
    full = measurement((48, 40), 1, noise=0.0, mask=np.ones_like(mask))
    m = full._replace(mask=mask, kspace=np.where(mask, full.kspace, 0))
    truth, zero_filled = (np.asarray(ifft2c(each.kspace[0])) for each in (full, m))
    image = method.solve(replace(method.FOURIER, levels=(1,)), m).image
    assert relative_error(image, truth) < 0.5 * relative_error(zero_filled, truth)
    assert np.linalg.norm(np.where(mask, fft2c(image) - m.kspace[0], 0)) < 1e-4 * np.linalg.norm(m.kspace)


def test_several_coils_give_the_image_of_one():
    """A single coil seen twice."""
    m = measurement((12, 10), 1, noise=0.0)
    double = lambda x: np.concatenate([x, x]) / np.float32(2**0.5)  # noqa: E731
    twice = m._replace(kspace=double(m.kspace), maps=double(m.maps))
    config = replace(method.PRESETS["plain"], levels=(0,), outer=4, beta=1e4, cg=10)
    assert relative_error(method.solve(config, twice).image, method.solve(config, m).image) < 1e-3


@pytest.mark.parametrize("reweight", ["new_irl1", "none"])
def test_an_error_is_told_only_if_there_is_a_minimiser(reweight):
    config = method.Config(levels=(0,), mu=(5000.0, 0.0, 0.0), outer=2, inner=1, reweight=reweight)
    found = method.build(config).stages.solve({}, None, measurement((12, 10), 1), None)
    assert np.isnan(found.error) == (reweight == "new_irl1")


def test_gradients_are_those_of_the_iteration():
    m = measurement((8, 8), 1)
    config = replace(method.FOURIER, levels=(0,), outer=3, inner=2, differentiate_weights=True)
    method_of = method.build(config).apply
    loss = jax.jit(
        jax.value_and_grad(lambda kspace: jnp.sum((method_of({}, m._replace(kspace=kspace), None) - 0.5) ** 2))
    )
    ascent = np.conj(np.asarray(loss(m.kspace)[1]))
    step = 1e-3 * np.linalg.norm(m.kspace) / np.linalg.norm(ascent)
    high, low = (loss(m.kspace + sign * step * ascent)[0] for sign in (1, -1))
    np.testing.assert_allclose((high - low) / (2 * step), np.linalg.norm(ascent) ** 2, rtol=0.05)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"family": "haar"}, "family 'haar' is unknown"),
        ({"levels": ()}, "levels are"),
        ({"mu": (1.0, 1.0, 0.0)}, "last two numbers must be 0 together"),
        ({"mu": (0.0, 0.0, 0.0)}, "nothing regularises"),
        ({"alpha": (1.0,)}, "alpha has 1 numbers; it must have 2"),
        ({"beta": 0.0}, "must be above 0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, problem):
    with pytest.raises(ValueError, match=problem):
        method.Config(**settings)
