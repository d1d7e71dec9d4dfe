"""Virtual coils by row: the same A^H A with fewer transforms, its adjoint, and the same l1 and TV minimum."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.coils.simulate import loop_sensitivities
from jaxcs.operators import Sense, row_coils
from jaxcs.recon import l1
from jaxcs.types import Measurement
from tests.helpers.asserts import complex_normal, relative_error

COILS, SHAPE = 12, (50, 40)  # rows that blocks do not divide
RNG = np.random.default_rng(1)


@pytest.fixture(scope="module")
def sense():
    maps = loop_sensitivities(SHAPE, SHAPE, COILS, 45.0, 14.0)
    rows, columns = np.mgrid[-25:25, -20:20]
    # Zero outside of a disc, and in whole rows, as estimated maps are.
    maps = maps / np.linalg.norm(maps, axis=0) * (rows**2 + columns**2 < 18**2)
    return Sense(jnp.asarray(maps, jnp.complex64), jnp.asarray(RNG.random(SHAPE[1]) < 0.4))


def test_the_product_is_that_of_all_coils_to_the_energy_left_out(sense):
    quick = row_coils.row_coils(sense)
    x = complex_normal(RNG, SHAPE)
    assert relative_error(quick.normal(x), sense.normal(x)) < 1e-5
    # The product takes fewer coils.
    assert 0 < float(jnp.mean(quick.ranks)) < COILS / 2


def test_with_no_coil_left_out_it_is_exact(sense, monkeypatch):
    monkeypatch.setattr(row_coils, "_NEGLIGIBLE", 0.0)
    x = complex_normal(RNG, SHAPE)
    assert relative_error(row_coils.row_coils(sense).normal(x), sense.normal(x)) < 2e-6


def test_rows_without_sensitivity_cost_nothing():
    maps = np.zeros((COILS, 64, 8), np.complex64)
    maps[:, :32] = 1 / np.sqrt(COILS)
    quick = row_coils.row_coils(Sense(jnp.asarray(maps), jnp.ones(8, bool)))
    np.testing.assert_array_equal(quick.ranks, [1, 0])


def test_its_transpose_is_known_to_autodiff_and_vmap(sense):
    quick = row_coils.row_coils(sense)
    x, y = complex_normal(RNG, (2, *SHAPE)), complex_normal(RNG, (2, *SHAPE))
    each = jnp.stack([quick.normal(one) for one in x])
    assert relative_error(jax.vmap(quick.normal)(x), each) < 1e-6
    pulled = jax.vjp(lambda one: quick.normal(one), x[0])[1](jnp.conj(y[0]))[0]
    assert relative_error(jnp.conj(pulled), quick.normal(y[0])) < 1e-6
    both = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), quick)
    assert relative_error(jax.vmap(row_coils.RowCoils.normal)(both, x), each) < 1e-6


def test_minima_and_gradients_stay_what_they_are(sense, monkeypatch):
    config = l1.Config(solver="pogm", lam=0.1, tolerance=1e-5, levels=2)
    kspace = sense.forward(complex_normal(RNG, SHAPE))
    kspace = kspace / jnp.abs(sense.adjoint(kspace)).max()
    target = complex_normal(RNG, SHAPE)

    def loss(measurement):
        return jnp.sum(jnp.abs(l1.solve(config, measurement).image - target) ** 2)

    measurement = Measurement(kspace, sense.mask, sense.maps)
    allow = {"argnums": 0, "allow_int": True}
    plain = l1.solve(config, measurement).image, jax.grad(loss, **allow)(measurement)
    monkeypatch.setattr(row_coils, "_LEAST", 0)
    quick = l1.solve(config, measurement).image, jax.grad(loss, **allow)(measurement)
    assert 0 < relative_error(quick[0], plain[0]) < 1e-4
    assert relative_error(quick[1].kspace, plain[1].kspace) < 1e-3
    # The gradient in the maps is taken through the plain operator.
    assert relative_error(quick[1].maps, plain[1].maps) < 1e-3


def test_what_is_small_or_sampled_otherwise_keeps_all_coils(sense, monkeypatch):
    assert row_coils.quickest(sense) is sense
    monkeypatch.setattr(row_coils, "_LEAST", 0)
    assert isinstance(row_coils.quickest(sense), row_coils.RowCoils)
    points = Sense(sense.maps, jnp.ones(SHAPE, bool))
    assert row_coils.quickest(points) is points


def test_other_devices_take_all_coils_at_once(sense):
    quick = row_coils.row_coils(sense)
    x = complex_normal(RNG, SHAPE)
    blocks = jnp.pad(x, ((0, -SHAPE[0] % 32), (0, 0))).reshape(-1, 32, SHAPE[1])
    whole = row_coils._all_at_once(quick, blocks).reshape(-1, SHAPE[1])[: SHAPE[0]]
    assert relative_error(whole, sense.normal(x)) < 2e-6
