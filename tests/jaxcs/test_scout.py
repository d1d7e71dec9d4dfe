"""The search for starts, reconstructions that follow a search, and epsilons that do not affect each other."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bench.evaluate import experiment, scan, subjects
from bench.evaluate.experiment import Search
from bench.plan.config import RunConfig
from bench.slices.prepare import prepare
from data_prep import phantom
from jaxcs.attacks import Path, apgd, scout
from jaxcs.attacks.losses import LOSSES
from jaxcs.complex import l2_norm, magnitude
from jaxcs.fourier import from_rows, to_rows
from jaxcs.recon import METHODS, l1, tv
from jaxcs.scored import region_of
from jaxcs.threats import balls
from tests.helpers.asserts import assert_adjoint, complex_normal, relative_error
from tests.jaxcs.test_recon import measurement

RNG = np.random.default_rng(11)


def test_rows_of_kspace_are_those_of_the_image():
    x, y = complex_normal(RNG, (2, 3, 7, 8))
    assert_adjoint(partial(to_rows, domain="kspace"), partial(from_rows, domain="kspace"), x, y)
    assert relative_error(from_rows(to_rows(x, "kspace"), "kspace"), x) < 1e-6
    # A perturbation of one row of the image stays in that row.
    alone = jnp.zeros((3, 7, 8), jnp.complex64).at[:, 2].set(x[:, 2])
    assert np.flatnonzero(np.any(np.abs(to_rows(from_rows(alone, "kspace"), "kspace")) > 1e-5, axis=(0, 2))) == [2]
    assert to_rows(x, "image") is x


def stripes(ny, nx, heights):
    """A loss with one maximum in each of some rows, which depends only on a perturbation of that row.

    Args:
        ny: number of rows.
        nx: number of columns.
        heights: maps a row to the height of its maximum.
    """
    support = jnp.ones((1, ny, nx), bool)
    gains = jnp.zeros(ny).at[jnp.asarray(list(heights))].set(jnp.asarray(list(heights.values())))

    def rows(delta):
        energy = jnp.sum(jnp.abs(to_rows(delta, "kspace")) ** 2, axis=(0, 2))
        # More than quadratic, so that each row is a separate maximum.
        return (gains * energy) ** 2

    def ascend(delta, memory):
        gradient = jax.grad(lambda delta: jnp.sum(rows(delta)))(delta)
        return rows(delta), jnp.conj(gradient), memory

    return Path((), ascend), balls.Threat(jnp.float32(1.0), support, domain="kspace")


def test_of_many_maxima_the_largest_is_found():
    """A random start ends in a maximum near it."""
    path, ball = stripes(64, 4, dict.fromkeys(range(0, 64, 4), 1.0) | {37: 1.3})
    keys = jax.random.split(jax.random.key(0), 8)
    best = 1.3**2
    found = jax.jit(jax.vmap(lambda key: scout.build(scout.Config(n_steps=20))(key, path, ball)))(keys)
    plain = jax.jit(jax.vmap(lambda key: apgd.build(apgd.Config(n_steps=20))(key, path, ball)))(keys)
    assert np.all(found.loss > 0.98 * best)
    assert np.sum(plain.loss > 0.98 * best) < 6
    assert np.all(jax.vmap(ball.norm)(found.delta) <= 1 + 1e-5)
    assert found.trace.shape == (8, 8)
    assert found.restarts.shape == (8, 1)


@pytest.mark.parametrize("shape", [(16, 32, 24), (33, 24)])
def test_cells_have_the_whole_radius_each(shape):
    """For coils with different radii, for images, and for numbers of rows that bands do not divide."""
    coils = len(shape) == 3
    radius = jnp.linspace(0.5, 2, 16)[:, None, None] if coils else jnp.float32(0.7)
    ball = balls.Threat(radius, jnp.ones(shape, bool), domain="kspace" if coils else "image")
    cells = jnp.arange(shape[-2]) * 5 // shape[-2]
    rows = to_rows(scout._each_boundary(ball, ball.random(jax.random.key(1)), cells), ball.domain)
    for cell in range(5):
        inside = jnp.where((cells == cell)[:, None], rows, 0)
        np.testing.assert_allclose(ball.norm(from_rows(inside, ball.domain)), ball.radius, rtol=1e-5)


def test_the_worst_cells_that_are_not_neighbours_stay_and_divide_the_rows():
    cells = jnp.arange(8) // 2
    losses = jnp.full(16, -jnp.inf).at[:4].set(jnp.asarray([3.0, 5.0, 4.0, 2.0]))
    kept, divided = scout._narrowed(2, losses, cells)
    np.testing.assert_array_equal(kept, [False, False, True, True, False, False, True, True])
    np.testing.assert_array_equal(divided, [0, 0, 0, 0, 0, 1, 1, 1])
    kept, divided = scout._narrowed(1, losses, cells)
    np.testing.assert_array_equal(kept, [False, False, True, True, False, False, False, False])
    assert not np.any(divided)


FOLLOWED = [(l1, l1.Config(wavelet="db2", levels=2)), (tv, tv.Config())]


@pytest.mark.parametrize(
    ("module", "config", "shape"),
    [
        *((*which, shape) for which in FOLLOWED for shape in ((32, 24), (30, 22))),
        (l1, l1.Config(wavelet="db2", levels=2, shifts=4), (14, 11)),
    ],
)
def test_what_follows_comes_to_the_solution_and_its_gradient(module, config, shape):
    """Twenty steps with the same data are as good as one whole reconstruction."""
    m = measurement(shape, 6, noise=0.02)
    prepared = module.prepare(config, m.maps, m.mask)
    target = 0.4

    def loss(kspace):
        tight = replace(config, tolerance=1e-5)
        return jnp.sum((magnitude(module.solve(tight, m._replace(kspace=kspace), prepared).image) - target) ** 2)

    value, gradient = jax.jit(jax.value_and_grad(loss))(m.kspace)
    followed = METHODS[module.__name__.rpartition(".")[2]].build(config).stages.follow(m.mask)

    @jax.jit
    def again(memory):
        image, pull = followed.advance(prepared, m, memory)
        return jnp.sum((image - target) ** 2), *pull(2 * (image - target))

    memory = followed.first(m)
    for _ in range(20):
        found, slope, memory = again(memory)
    assert abs(found - value) < 1e-3 * value
    assert relative_error(slope, gradient) < 0.02


def test_masks_of_single_samples_follow_nothing():
    assert l1.follow(l1.Config(), jnp.ones((4, 4), bool)) is None
    assert tv.follow(tv.Config(), jnp.ones((4, 4), bool)) is None
    assert l1.follow(l1.EARLY_STOPPED, jnp.ones(4, bool)) is None


def test_an_epsilon_finds_the_same_beside_others():
    config = RunConfig(method="l1", phantom="knee", acceleration=2.5, center_fraction=0.25)
    prepared = prepare(phantom.case("knee", "train", 0, (48, 40)), config)
    data = jax.tree.map(lambda leaf: leaf[None], prepared.data)
    method_config = l1.Config(levels=2)
    search = {"attack": Search("scout", scout.Config(n_steps=8))}
    functions = experiment.build(config, {}, METHODS["l1"], method_config, search, scan.build(config, None))
    keys = jax.random.split(jax.random.key(0), 1)
    staged = functions.stage(data)
    clean = functions.evaluate(data, staged, jnp.zeros_like(data.kspace)[:, None], keys)

    def psnr(eps):
        found = functions.searches["attack"](data, staged, clean.image[:, 0], {}, jnp.asarray([eps], jnp.float32), keys)
        return np.asarray(functions.evaluate(data, staged, found.delta, keys).scores["psnr"])[0]

    alone, beside = psnr([0.05])[0], psnr([0.01, 0.02, 0.05])
    assert abs(alone - beside[2]) < 0.2
    assert beside[2] < beside[0] - 3
    assert l2_norm(clean.image) > 0


def test_rows_outside_the_region_count_for_nothing():
    image, reference = jnp.asarray(RNG.normal(size=(2, 9, 8)).astype(np.float32))

    def rows(image, region):
        return LOSSES["nmse"].rows(image, reference, jnp.float32(1.0), region)

    found, pull = jax.vjp(lambda image: rows(image, jnp.asarray(region_of([(2, 1, 3, 4)], (9, 8)))), image)
    gradient = pull(jnp.ones_like(found))[0]
    residual = image - reference
    np.testing.assert_allclose(found[2:5], np.sum(np.square(residual[2:5, 1:5]), axis=1), rtol=1e-6)
    assert not np.any(np.delete(found, slice(2, 5)))
    np.testing.assert_allclose(gradient[2:5, 1:5], 2 * residual[2:5, 1:5], rtol=1e-6)
    assert np.count_nonzero(gradient) == 12
    assert rows(image, None).shape == (9,)


def test_a_loss_without_rows_is_searched_as_one_cell():
    """Otherwise the band in the middle would stand for the whole image."""
    path, ball = stripes(64, 4, {5: 1.0})

    def loss(delta):
        return jnp.sum(path.ascend(delta, ())[0])

    found = scout.build(scout.Config(n_steps=8))(jax.random.key(0), loss, ball)
    assert found.loss > 0.9


def test_what_stops_early_is_named_with_its_iterations():
    assert subjects.sources(RunConfig(method="l1", preset="early_stopped"))[0].label == "l1 at 60 iterations"
    assert subjects.sources(RunConfig(method="l1"))[0].label == "l1"
