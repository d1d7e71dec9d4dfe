"""Wavelets on several shifts: the choice of shifts, their transforms, and the minimum of l1 with them."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import pywt

from jaxcs.operators import Wavelet
from jaxcs.operators.cycle_spun import CycleSpun, Frame, spread_shifts
from jaxcs.recon import METHODS, l1
from jaxcs.types import Measurement
from tests.helpers.asserts import complex_normal, relative_error
from tests.helpers.places import PARITY
from tests.jaxcs.test_recon import measurement

STORED = PARITY / "cvxpy_shifts.npz"
CONFIG = l1.Config(wavelet="db2", levels=2)


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_shifts_are_spread_on_every_level(levels):
    """The shifts take as many values modulo 2, 4, ... as possible, each value equally often."""
    for power in range(2 * levels + 1):
        shifts = spread_shifts(2**power, levels)
        assert shifts[0] == (0, 0)
        assert all(0 <= one < 2**levels for pair in shifts for one in pair)
        for level in range(1, levels + 1):
            seen = [(down % 2**level, right % 2**level) for down, right in shifts]
            counts = {seen.count(pair) for pair in seen}
            assert len(set(seen)) == min(2**power, 4**level)
            assert len(counts) == 1
    assert spread_shifts(4, 4) == ((0, 0), (5, 10), (10, 5), (15, 15))


def test_each_image_is_shifted_and_transformed_and_one_image_gives_a_tight_frame():
    shifts = spread_shifts(8, 2)
    psi = CycleSpun(Wavelet("db2", 2), shifts)
    rng = np.random.default_rng(0)
    x, image = (np.asarray(complex_normal(rng, shape)) for shape in ((8, 16, 12), (16, 12)))
    y, back = jax.jit(lambda x: (psi.forward(x), psi.adjoint(psi.forward(x))))(x)
    for one, shift, found in zip(x, shifts, y, strict=True):
        expected = pywt.wavedec2(np.roll(one, shift, (0, 1)), "db2", mode="periodization", level=2)
        assert relative_error(found, pywt.coeffs_to_array(expected)[0]) < 1e-5
    assert relative_error(back, x) < 1e-5
    frame = Frame(psi)
    coefficients = frame.forward(image)
    image_again, adjoint = frame.adjoint(coefficients), frame.adjoint(y)
    np.testing.assert_allclose(np.linalg.norm(coefficients), np.linalg.norm(image), rtol=1e-5)
    assert relative_error(image_again, image) < 1e-5
    np.testing.assert_allclose(np.vdot(coefficients, y), np.vdot(image, adjoint), rtol=1e-4)


@pytest.mark.parametrize("solver", ["rows", "primal_dual"])
def test_the_minimum_equals_that_of_cvxpy(solver):
    """The reported error is the distance from this minimum."""
    with np.load(STORED) as content:
        m = Measurement(content["kspace"], content["mask"], content["maps"])
        lam, reference, other, value = (content[name] for name in ("lam", "x_4", "x_2", "objective_4"))
    config = replace(CONFIG, lam=float(lam), shifts=4, tolerance=1e-6, n_iters=5000)
    if solver == "primal_dual":
        config = METHODS["l1"].without_inverse(config)
    assert config.solver == solver
    found = l1.solve(config, m)
    objective = jax.jit(lambda x: l1.objective(config, m, x))
    assert relative_error(found.image, reference) < 1e-4
    np.testing.assert_allclose([objective(found.image), objective(reference)], value, rtol=1e-5)
    assert relative_error(other, reference) > 1e-2
    if solver == "rows":
        for tolerance in (1e-2, 1e-3):
            found = l1.solve(replace(config, tolerance=tolerance), m)
            assert found.error <= tolerance
            assert relative_error(found.image, reference) < 1.5 * tolerance


def test_a_mask_of_single_samples_gives_the_same_minimum():
    """The solver works without rows, and on a padded grid."""
    m = measurement((14, 19), 3, noise=0.02)
    config = replace(CONFIG, shifts=2, tolerance=1e-5, n_iters=5000)
    assert l1.sparsifying_transform(config, (14, 19))[1] == (16, 20)
    single = m._replace(mask=np.tile(m.mask, (14, 1)))
    images = [l1.solve(config, one).image for one in (m, single)]
    assert images[0].shape == (14, 19)
    assert relative_error(images[1], images[0]) < 1e-3


def test_a_small_matrix_has_fewer_shifts():
    config = replace(CONFIG, levels=4, shifts=256)
    assert len(l1.sparsifying_transform(config, (4, 6))[0].shifts) == 16
    assert len(l1.sparsifying_transform(config, (64, 48))[0].shifts) == 256
    assert isinstance(l1.sparsifying_transform(replace(config, shifts=2), (1, 1))[0], Wavelet)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"shifts": 3}, "shifts is 3; it must be a power of 2"),
        ({"shifts": 0}, "shifts is 0; it must be a power of 2"),
        ({"shifts": 8, "levels": 1}, "shifts is 8; of levels=1 only 4 are different"),
        ({"shifts": 2, "basis": "dct"}, "shifts is 2: basis dct has none"),
        ({"shifts": 2, "solver": "fista"}, "solver fista is for shifts=1; set solver=rows"),
        ({"solver": "primal_dual"}, "solver primal_dual is for several shifts"),
        ({"shifts": 2, "differentiate": "unroll"}, "solver rows is not unrolled; set differentiate=implicit"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, problem):
    with pytest.raises(ValueError, match=problem):
        l1.Config(**settings)
