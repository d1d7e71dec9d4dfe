"""The rows of A^H A as matrices, their inverse, the exact worst case of SENSE, and the certificate of the solvers."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import pgd
from jaxcs.complex import l2_norm, magnitude
from jaxcs.operators import Sense
from jaxcs.operators.row_inverse import inverse_bytes, row_inverse, row_matrices
from jaxcs.recon import METHODS, l1, sense, tv
from jaxcs.recon.staged import stages_of
from jaxcs.solvers import largest_eigenvalue
from jaxcs.threats import balls
from jaxcs.types import Measurement
from tests.helpers.asserts import complex_normal, relative_error
from tests.jaxcs.test_recon import measurement

RNG = np.random.default_rng(3)


@pytest.fixture
def x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


@pytest.mark.parametrize("shape", [(32, 24), (7, 15)])
def test_rows_as_matrices_are_the_normal_operator(shape):
    m = measurement(shape, 3)
    x = complex_normal(RNG, shape)
    by_matrices = jnp.einsum("yij,yj->yi", row_matrices(m.maps, m.mask), x)
    assert relative_error(by_matrices, Sense(m.maps, m.mask).normal(x)) < 1e-6


def test_the_inverse_undoes_the_normal_operator():
    """The blocks of rows need not divide their number, and some pixels are seen by no coil."""
    m = measurement((33, 24), 4)
    maps = np.array(m.maps)
    maps[:, 5] = 0
    a = Sense(jnp.asarray(maps), m.mask)
    inverse = jax.jit(row_inverse)(a.maps, a.mask, 0.004)
    assert inverse.real.nbytes + inverse.imag.nbytes == inverse_bytes(maps.shape)
    x = complex_normal(RNG, (33, 24))
    assert relative_error(inverse.shrink(a.normal(x) + 0.004 * x), 0.004 * x) < 1e-3
    assert relative_error(inverse.solve(a, a.normal(x) + 0.004 * x), x) < 1e-4
    np.testing.assert_allclose(inverse.shrink(x)[5], x[5], rtol=1e-5)
    several = complex_normal(RNG, (3, 33, 24))
    each = jnp.stack([inverse.shrink(one) for one in several])
    assert relative_error(jax.vmap(inverse.shrink)(several), each) < 1e-6


def test_maps_of_nan_spoil_their_rows_alone():
    m = measurement((16, 12), 2)
    maps = np.array(m.maps)
    maps[0, 3, 2] = np.nan
    inverse = row_inverse(jnp.asarray(maps), jnp.asarray(m.mask), 0.01)
    bad = np.any(np.isnan(inverse.real), axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(bad), [3])


def test_the_worst_case_of_sense_is_exact():
    """The gain equals power iteration's, the image equals the method's, and gradient ascent comes within 1 % of it."""
    m = measurement((32, 24), 4)
    config, a = sense.Config(lam=0.01), Sense(m.maps, m.mask)
    worst = sense.worst_case(config, m.maps, m.mask)
    solve = jax.jit(lambda kspace: sense.solve(config, m._replace(kspace=kspace)).image)
    np.testing.assert_allclose(l2_norm(worst.kspace), 1, rtol=1e-5)
    assert np.all(np.asarray(worst.kspace)[..., ~np.asarray(m.mask)] == 0)
    assert relative_error(solve(worst.kspace), worst.image) < 1e-4
    # (A (A^H A + lam)^-1)((A^H A + lam)^-1 A^H) is the squared map, on the data.
    twice = jax.jit(lambda y: a.forward(solve_image(config, m, solve(y))))
    value, _ = largest_eigenvalue(twice, jnp.where(m.mask, complex_normal(RNG, m.kspace.shape), 0), 4000)
    np.testing.assert_allclose(worst.gain, np.sqrt(value), rtol=1e-4)

    ball = balls.measured(jnp.float32(0.05), m.kspace, m.mask)
    loss = lambda delta: jnp.sum(magnitude(solve(delta)) ** 2)  # noqa: E731
    found = jax.jit(lambda key: pgd.build(pgd.Config(n_steps=60, step_size=4.0))(key, loss, ball))(jax.random.key(0))
    assert 0.99 < np.sqrt(found.loss) / (worst.gain * ball.radius) < 1.0001


def solve_image(config, m, x):
    """Compute (A^H A + lam)^-1 x."""
    return row_inverse(m.maps, m.mask, config.lam).solve(Sense(m.maps, m.mask), x)


def test_what_is_prepared_serves_all_data():
    m = measurement()
    for name, settings in (("l1", {"levels": 2}), ("tv", {}), ("sense", {}), ("zero_filled", {})):
        method = METHODS[name].build(METHODS[name].config(**settings))
        stages = stages_of(method)
        prepared = jax.jit(stages.prepare)({}, m.maps, m.mask)
        for kspace in (m.kspace, 3 * m.kspace[::-1]):
            of = m._replace(kspace=kspace)
            found = jax.jit(stages.solve)({}, prepared, of, jax.random.key(0))
            assert relative_error(found.image, method.apply({}, of, jax.random.key(0))) < 1e-4
            assert np.isnan(found.error) if name == "zero_filled" else found.error <= 1e-3


@pytest.mark.parametrize("name", ["l1", "tv", "sense"])
def test_solvers_without_an_inverse_find_the_same(name):
    m = measurement(noise=0.02)
    settings = {"levels": 2} if name == "l1" else {}
    config = METHODS[name].config(**settings)
    otherwise = METHODS[name].without_inverse(config)
    assert otherwise.solver != config.solver
    module = {"l1": l1, "tv": tv, "sense": sense}[name]
    assert not any(leaf.size > m.maps.size for leaf in jax.tree.leaves(module.prepare(otherwise, m.maps, m.mask)))
    images = [module.solve(one, m).image for one in (config, otherwise)]
    assert relative_error(images[1], images[0]) < 1e-3


CASES = {
    "l1": (l1, l1.Config(wavelet="db2", levels=3)),
    "l1 pogm": (l1, l1.Config(wavelet="db2", levels=3, solver="pogm")),
    "l1 fista": (l1, l1.Config(wavelet="db2", levels=3, solver="fista")),
    "tv": (tv, tv.Config()),
}


@pytest.mark.parametrize("name", CASES)
def test_the_error_that_is_told_is_the_distance_from_the_minimiser(name):
    """At every tolerance, on clean data and on data for which a solver is slow, against 10,000 iterations."""
    module, config = CASES[name]
    m = measurement((32, 24), 6, noise=0.02)
    hard = m._replace(kspace=m.kspace + 0.05 * sense.worst_case(sense.Config(1e-4), m.maps, m.mask).kspace * 10)
    for data in (m, hard):
        limit = module.solve(replace(config, tolerance=1e-6, n_iters=10_000), data).image
        for tolerance in (1e-2, 1e-3):
            found = module.solve(replace(config, tolerance=tolerance), data)
            distance = relative_error(found.image, limit)
            assert found.error <= tolerance
            assert distance < 1.5 * tolerance
            assert found.iterations < 1000


def test_a_tolerance_that_is_never_reached_ends_and_says_so():
    found = l1.solve(l1.Config(levels=2, tolerance=1e-3, n_iters=20), measurement())
    assert found.iterations == 20
    assert found.error > 1e-3


@pytest.mark.parametrize("name", ["early_stopped", "rc2021"])
def test_an_iteration_of_a_fixed_length_has_a_certificate_too(name):
    config = replace(l1.PRESETS[name], n_iters=60, levels=2)
    m = measurement(noise=0.02)
    found = l1.solve(config, m)
    assert found.iterations == 60
    if config.lam > 0:
        limit = l1.solve(replace(l1.Config(levels=2), lam=config.lam, tolerance=1e-6), m).image
        # Momentum moves the image further than it improves it, so that the estimate is rather too large than too small.
        assert 1 / 1.5 < found.error / relative_error(found.image, limit) < 10
    else:
        assert found.error > 0


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("name", "size"),
    [*((name, size) for name in ("l1", "tv", "sense") for size in ((32, 24), (24, 30))), ("l1 shifts", (12, 10))],
)
def test_the_gradient_is_that_of_the_minimiser(name, size):
    """Compared with central differences of the converged map in float64.

    The settings are the defaults, and the data are clean and perturbed.
    """
    m = measurement(size, 6, noise=0.02)
    m = Measurement(jnp.asarray(m.kspace, jnp.complex128), jnp.asarray(m.mask), jnp.asarray(m.maps, jnp.complex128))
    module = {"l1": l1, "l1 shifts": l1, "tv": tv, "sense": sense}[name]
    shifts = 4 if name == "l1 shifts" else 1
    config = l1.Config(wavelet="db2", levels=2, shifts=shifts) if module is l1 else module.Config()
    exact = config if module is sense else replace(config, tolerance=1e-9, n_iters=20_000)

    def loss(config, delta):
        return jnp.sum((magnitude(module.solve(config, m._replace(kspace=m.kspace + delta)).image) - 0.4) ** 2)

    gradient = jax.jit(jax.grad(lambda delta: loss(config, delta)))
    value = jax.jit(lambda delta: loss(exact, delta))
    worst = sense.worst_case(sense.Config(0.01), m.maps, m.mask).kspace
    for delta in (0 * worst, 0.05 * jnp.linalg.norm(m.kspace) * worst):
        ascent = jnp.conj(gradient(delta))
        directions = [ascent, *(jnp.where(m.mask, complex_normal(RNG, m.kspace.shape), 0) for _ in range(3))]
        slopes, expected = [], []
        for direction in directions:
            unit = direction / jnp.linalg.norm(direction)
            expected.append((value(delta + 1e-5 * unit) - value(delta - 1e-5 * unit)) / 2e-5)
            slopes.append(jnp.sum(jnp.real(jnp.conj(ascent) * unit)))
        assert relative_error(np.array(slopes), np.array(expected)) < 1e-2
