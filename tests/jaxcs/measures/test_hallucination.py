"""The hallucination map against a dense singular value decomposition, and as the aim of an attack."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import apgd
from jaxcs.complex import magnitude
from jaxcs.measures.hallucination import THRESHOLD, hallucinated_energy, hallucination_map, null_part
from jaxcs.operators import Sense
from jaxcs.recon import sense
from jaxcs.threats import balls
from tests.helpers.asserts import complex_normal, relative_error
from tests.jaxcs.test_recon import measurement, piecewise_object

RNG = np.random.default_rng(5)
SHAPE = (9, 12)


def scan(samples):
    """Coil maps and a mask, of columns or of single samples."""
    maps = measurement(SHAPE, 3).maps
    mask = RNG.random(SHAPE if samples else SHAPE[1]) < 0.4
    return maps, jnp.asarray(mask)


def dense(maps, mask):
    """A as a matrix, by its action on each pixel."""
    basis = np.eye(np.prod(SHAPE)).reshape(-1, *SHAPE).astype(np.complex64)
    return np.asarray(jax.vmap(Sense(maps, mask).forward)(basis)).reshape(len(basis), -1).T


@pytest.mark.parametrize("samples", [False, True])
def test_the_null_part_is_that_of_the_singular_values(samples):
    maps, mask = scan(samples)
    _, values, directions = np.linalg.svd(np.complex128(dense(maps, mask)))
    share = np.ones(len(directions))
    share[: len(values)] = THRESHOLD / (THRESHOLD + values**2)
    x = complex_normal(RNG, SHAPE)
    expected = directions.conj().T @ (share * (directions @ np.asarray(x).ravel()))
    assert relative_error(null_part(x, maps, mask), expected.reshape(SHAPE)) < 2e-4


def test_what_no_data_support_is_hallucinated_and_what_they_support_is_not():
    maps, mask = scan(samples=False)
    _, values, directions = np.linalg.svd(np.complex128(dense(maps, mask)))
    truth = 3 * complex_normal(RNG, SHAPE)
    hidden, seen = (jnp.asarray(directions[at].conj().reshape(SHAPE), jnp.complex64) for at in (-1, 0))
    assert values[-1] < 0.01 < 0.3 < values[0]
    found = hallucination_map(truth + hidden, truth, maps, mask)
    assert np.linalg.norm(found) == pytest.approx(1, rel=0.05)
    assert np.linalg.norm(hallucination_map(truth + seen, truth, maps, mask)) < THRESHOLD / values[0] ** 2 + 1e-3
    assert not hallucination_map(truth, truth, maps, mask).any()


def test_zero_filling_leaves_out_and_invents_nothing():
    m = measurement((32, 24), 6)
    a, truth = Sense(m.maps, m.mask), jnp.asarray(piecewise_object((32, 24)))
    clean = a.adjoint(a.forward(truth))
    left_out = jnp.sum(jnp.abs(null_part(clean - truth, m.maps, m.mask)) ** 2) / jnp.sum(jnp.abs(truth) ** 2)
    assert left_out > 0.005
    assert hallucinated_energy(clean, truth, m.maps, m.mask) < 0.01 * left_out


def test_magnitudes_get_the_phase_of_the_truth():
    m = measurement((32, 24), 6)
    truth = jnp.asarray(piecewise_object((32, 24))) * jnp.exp(1j * jnp.linspace(0, 3, 24))
    image = 1.3 * truth
    by_magnitude = hallucination_map(magnitude(image), truth, m.maps, m.mask)
    np.testing.assert_allclose(by_magnitude, hallucination_map(image, truth, m.maps, m.mask), atol=1e-5)
    with pytest.raises(ValueError, match="need images before the crop"):
        hallucination_map(image[1:], truth, m.maps, m.mask)


def test_an_attack_that_aims_at_it_finds_more_of_it_than_one_on_the_squared_error():
    m = measurement((32, 24), 6)
    method = sense.build(sense.Config(lam=1e-3)).apply
    allowed = balls.measured(jnp.float32(0.05), m.kspace, m.mask)
    clean = method({}, m, None)
    truth = clean.astype(jnp.complex64)

    def image(delta):
        return method({}, m._replace(kspace=m.kspace + delta), None)

    def invented(delta):
        return hallucinated_energy(image(delta), truth, m.maps, m.mask)

    attack = apgd.build(apgd.Config(n_steps=10))
    found = {
        name: jax.jit(lambda key, loss=loss: attack(key, loss, allowed).delta)(jax.random.key(0))
        for name, loss in {"invented": invented, "squared": lambda delta: jnp.sum((image(delta) - clean) ** 2)}.items()
    }
    aimed, squared, noise = map(
        jax.jit(invented), (found["invented"], found["squared"], allowed.random(jax.random.key(1)))
    )
    assert aimed > 1.1 * squared > 1.5 * noise
