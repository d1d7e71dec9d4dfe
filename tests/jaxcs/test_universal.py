"""Universal perturbations: a single direction for several slices, against the eigenvector of a linear method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs import universal
from jaxcs.attacks import apgd
from jaxcs.goal import Goal
from jaxcs.recon import METHODS, in_defence, sense
from jaxcs.threats.scan import build as build_scan
from jaxcs.types import SliceData
from tests.helpers.asserts import complex_normal

SHAPE = (3, 8, 6)


def slices():
    """Three slices with masks and maps of their own."""
    rng = np.random.default_rng(3)
    found = []
    for mask in ([1, 1, 0, 1, 0, 1], [0, 1, 1, 1, 0, 1], [1, 0, 1, 1, 0, 0]):
        maps = complex_normal(rng, SHAPE)
        maps = maps / jnp.sqrt(jnp.sum(jnp.abs(maps) ** 2, axis=0))
        kspace, target = complex_normal(rng, SHAPE), jnp.asarray(rng.uniform(size=SHAPE[1:]).astype(np.float32))
        noise = jnp.eye(3, dtype=jnp.complex64)
        found.append(SliceData(kspace, jnp.asarray(mask, bool), maps, target, jnp.float32(1), noise))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)


def one(data, index):
    return jax.tree.map(lambda leaf: leaf[index], data)


def mean_loss(data, direction, epsilon):
    method, scan = METHODS["zero_filled"].build(METHODS["zero_filled"].config()), build_scan()
    losses = []
    for index in range(3):
        part = one(data, index)
        delta = universal.applied(scan, part, direction, epsilon)
        image = method.apply({}, scan.measure(part, delta), None)
        losses.append(jnp.sum((image - part.target) ** 2) / jnp.sum(part.target**2))
    return float(jnp.mean(jnp.stack(losses)))


@pytest.fixture(scope="module")
def fitted():
    entry, epsilon = METHODS["zero_filled"], jnp.float32(0.3)
    data, key = slices(), jax.random.key(0)
    found = universal.fit(Goal(), {}, entry, entry.config(), build_scan(), data, epsilon, key, apgd.Config(n_steps=60))
    return data, epsilon, found


def test_each_slice_gets_its_measured_part_at_its_own_size(fitted):
    data, epsilon, found = fitted
    for index in range(3):
        part = one(data, index)
        delta = universal.applied(build_scan(), part, found.delta, epsilon)
        assert not np.asarray(delta)[..., ~np.asarray(part.mask)].any()
        measured = jnp.where(part.mask, part.kspace, 0)
        np.testing.assert_allclose(jnp.linalg.norm(delta), 0.3 * jnp.linalg.norm(measured), rtol=1e-5)
    # No slice measures this column.
    assert not np.asarray(found.delta)[..., 4].any()


def test_it_harms_all_slices_together_more_than_random_directions_and_those_of_single_slices(fitted):
    data, epsilon, found = fitted
    assert mean_loss(data, found.delta, epsilon) == pytest.approx(float(found.loss), rel=1e-4)
    rng = np.random.default_rng(0)
    entry, config = METHODS["zero_filled"], apgd.Config(n_steps=60)
    others = [complex_normal(rng, SHAPE) for _ in range(20)]
    for index in range(3):
        alone = jax.tree.map(lambda leaf, at=index: leaf[at : at + 1], data)
        key = jax.random.key(1)
        others.append(universal.fit(Goal(), {}, entry, entry.config(), build_scan(), alone, epsilon, key, config).delta)
    assert all(mean_loss(data, other, epsilon) < float(found.loss) for other in others)


def test_what_it_cannot_fit():
    entry = METHODS["zero_filled"]
    arguments = slices(), jnp.float32(0.3), jax.random.key(0), apgd.Config()
    for goal, scan in ((Goal(stealth=0.1), build_scan()), (Goal(), build_scan("phase"))):
        with pytest.raises(ValueError, match="needs noise"):
            universal.fit(goal, {}, entry, entry.config(), scan, *arguments)


def test_a_blind_attack_sees_the_method_without_its_mitigation():
    """The mitigation through a solver has no second derivatives, so that an attack through it cannot be computed."""
    scan, data, key = build_scan(), slices(), jax.random.key(0)
    found = {}
    for name, config in (
        ("blind", in_defence(sense.Config(), cyclic=2, cyclic_gradient="blind")),
        ("plain", sense.Config()),
    ):
        entry = getattr(config, "defended", METHODS["sense"])
        arguments = scan, data, jnp.float32(0.3), key, apgd.Config(n_steps=3)
        found[name] = universal.fit(Goal(), {}, entry, config, *arguments)
    np.testing.assert_array_equal(found["blind"].delta, found["plain"].delta)


def test_a_method_that_is_fitted_to_each_slice_has_no_universal_perturbation():
    entry, arguments = METHODS["deepdecoder"], (build_scan(), slices(), jnp.float32(0.3), jax.random.key(0))
    with pytest.raises(ValueError, match="not fitted to each slice"):
        universal.fit(Goal(), {}, entry, entry.config(), *arguments, apgd.Config(n_steps=3))
