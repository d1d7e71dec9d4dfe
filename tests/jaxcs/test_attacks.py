from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import ATTACKS, noise, pgd
from jaxcs.complex import abs2, real_dot
from jaxcs.recon import sense
from jaxcs.solvers import largest_eigenvalue
from jaxcs.threats import balls
from jaxcs.threats.balls import Threat
from tests.helpers.asserts import complex_normal, relative_error
from tests.jaxcs.test_recon import measurement

SHAPE = (3, 4, 5)
KEY = jax.random.key(0)
SUPPORT = np.random.default_rng(0).random(SHAPE) < 0.7
THREATS = {
    "global": Threat(jnp.asarray(0.8), jnp.asarray(SUPPORT)),
    "per coil": Threat(jnp.asarray([0.8, 0.1, 0.0]).reshape(3, 1, 1), jnp.asarray(SUPPORT)),
    "everywhere": Threat(jnp.asarray(2.0), jnp.ones(SHAPE, bool)),
}


@pytest.fixture(params=THREATS)
def ball(request):
    return THREATS[request.param]


def draws(n, shape=SHAPE, seed=1):
    return np.asarray(complex_normal(np.random.default_rng(seed), (n, *shape)))


def sizes(ball, deltas):
    """The norms that the radius bounds, by NumPy: one for each perturbation and ball."""
    return np.linalg.norm(deltas.reshape(len(deltas), ball.radius.size, -1), axis=-1)


def members(ball, n):
    """Perturbations in the set, inside it and on its boundary, made without the set's own functions."""
    deltas = draws(n, seed=2) * np.asarray(ball.support)
    shrink = np.random.default_rng(3).choice([0.3, 1.0], size=(n, 1))
    factors = np.ravel(ball.radius) * shrink / sizes(ball, deltas)
    return (deltas * factors[:, :, None, None]).astype(np.complex64)


def test_projection_is_the_nearest_member(ball):
    """<z - p, q - p> <= 0 for every member q characterises the projection p of z onto a convex set."""
    project = jax.jit(jax.vmap(ball.project))
    z = draws(30) * np.geomspace(0.01, 10, 30)[:, None, None, None]
    p = np.asarray(project(z))
    radius = np.asarray(ball.radius).ravel()
    assert np.all(sizes(ball, p) <= radius * (1 + 1e-6))
    assert np.any(sizes(ball, p) < 0.9 * radius)
    assert not np.any(p[:, ~np.asarray(ball.support)])
    assert np.all(sizes(ball, p) <= sizes(ball, z) * (1 + 1e-6))
    products = np.real(np.einsum("zcyx,zqcyx->zq", np.conj(z - p), members(ball, 50)[None] - p[:, None]))
    assert np.max(products) < 1e-5
    np.testing.assert_allclose(project(p), p, rtol=1e-6)
    inside = members(ball, 50) * np.float32(0.99)
    np.testing.assert_array_equal(project(inside), inside)


def test_boundary_is_the_member_furthest_along_a_direction(ball):
    for direction in draws(5, seed=4):
        furthest = np.asarray(ball.boundary(direction))
        np.testing.assert_allclose(sizes(ball, furthest[None])[0], np.ravel(ball.radius), rtol=1e-6)
        products = np.real(np.sum(np.conj(direction) * members(ball, 200), axis=(1, 2, 3)))
        best = float(real_dot(direction, furthest))
        assert np.max(products) < best
        on_support = np.where(ball.support, direction, 0)
        np.testing.assert_allclose(np.sum(sizes(ball, on_support[None])[0] * np.ravel(ball.radius)), best, rtol=1e-5)
    np.testing.assert_array_equal(ball.boundary(jnp.zeros(SHAPE, jnp.complex64)), 0)


def test_random_members_lie_on_the_boundary_and_the_support(ball):
    deltas = np.asarray(jax.vmap(ball.random)(jax.random.split(KEY, 4)))
    np.testing.assert_allclose(sizes(ball, deltas), np.tile(np.ravel(ball.radius), (4, 1)), rtol=1e-6)
    support = np.asarray(ball.support & (ball.radius > 0))
    assert np.all(deltas[:, support] != 0)
    assert not np.any(deltas[:, ~support])
    assert relative_error(deltas[0], deltas[1]) > 0.5
    assert np.std(deltas.real) == pytest.approx(np.std(deltas.imag), rel=0.5)


def test_radii_of_the_threat_sets():
    kspace, mask = draws(1, seed=5)[0], np.array([True, False, True, True, False])
    measured = np.where(mask, kspace, 0)
    made = balls.measured(0.1, kspace, mask)
    np.testing.assert_allclose(made.radius, 0.1 * np.linalg.norm(measured), rtol=1e-6)
    np.testing.assert_array_equal(made.support, np.broadcast_to(mask, SHAPE))
    made = balls.whole_kspace(0.1, kspace, mask)
    np.testing.assert_allclose(made.radius, 0.1 * np.linalg.norm(kspace), rtol=1e-6)
    assert made.support.shape == SHAPE
    assert np.all(made.support)
    made = balls.per_coil(0.1, kspace, mask)
    assert made.radius.shape == (3, 1, 1)
    np.testing.assert_allclose(made.radius.ravel(), [0.1 * np.linalg.norm(coil) for coil in measured], rtol=1e-6)
    np.testing.assert_array_equal(made.support, np.broadcast_to(mask, SHAPE))
    made = balls.image(0.1, 3.0, (4, 5))
    np.testing.assert_allclose(made.radius, 0.3, rtol=1e-6)
    assert made.support.shape == (4, 5)
    assert np.all(made.support)
    two_dimensional = balls.measured(0.1, kspace, np.tile(mask, (4, 1)))
    np.testing.assert_array_equal(two_dimensional.support, np.broadcast_to(mask, SHAPE))


def run(config, loss, ball, start=None):
    return jax.jit(lambda start: pgd.build(config)(KEY, loss, ball, start))(start)


def test_pgd_reaches_the_largest_singular_value():
    ball = THREATS["global"]
    gain = lambda matrix, e: jnp.sum(abs2(matrix @ e.ravel()))  # noqa: E731
    search = jax.jit(lambda matrix: pgd.build(pgd.Config(n_steps=30))(KEY, partial(gain, matrix), ball))
    for seed in range(10):
        matrix = np.random.default_rng(seed).normal(size=(12, 60, 2)) @ [1, 1j]
        largest = np.linalg.svd(matrix * SUPPORT.ravel(), compute_uv=False)[0]
        result = search(matrix.astype(np.complex64))
        assert 0.99 * largest < np.sqrt(result.loss) / 0.8 < largest * (1 + 1e-5)
        assert sizes(ball, np.asarray(result.delta)[None])[0] <= 0.8 * (1 + 1e-6)
        assert not np.any(np.asarray(result.delta)[~SUPPORT])
        assert result.trace.shape == (30,)
        assert np.all(np.diff(result.trace) > -1e-4 * result.loss)
        assert result.gradient_norm > 0


def bumpy(target, e):
    """A loss with many maxima; large steps end at none of them."""
    return jnp.sum(jnp.cos(3 * jnp.real(e))) - jnp.sum(abs2(e - target))


@pytest.mark.parametrize("start", [None, draws(1, seed=7)[0]])
def test_the_best_point_is_kept_with_its_own_loss(start):
    loss = partial(bumpy, 0.1 * draws(1, seed=6)[0])
    result = run(pgd.Config(n_steps=11, step_size=1.5), loss, THREATS["global"], start)
    assert result.loss == np.max(result.trace)
    assert result.loss > result.trace[-1] + 0.01
    np.testing.assert_allclose(loss(result.delta), result.loss, rtol=1e-6)


def test_restarts_and_warm_starts_never_harm():
    ball, start = THREATS["global"], draws(1, seed=8)[0]
    attacks = {n: pgd.build(pgd.Config(n_steps=3, restarts=n)) for n in (1, 5)}
    one, many = (jax.jit(lambda t, s, a=a: a(KEY, partial(bumpy, t), ball, s)) for a in attacks.values())
    gains = []
    for target in draws(4, seed=11):
        warm, restarted = one(target, start), many(target, start)
        np.testing.assert_allclose(warm.trace[0], bumpy(target, ball.boundary(start)), rtol=1e-4)
        gains.append(float(restarted.loss - warm.loss))
        again = one(target, warm.delta)
        assert again.loss >= bumpy(target, ball.boundary(warm.delta)) - 1e-3
    assert min(gains) >= 0
    assert max(gains) > 0


def test_a_loss_of_nan_is_not_hidden():
    """NaN everywhere is not hidden.  NaN at one step is not hidden either, if the attack goes on to finite losses."""
    ball = THREATS["global"]
    start = np.asarray(ball.boundary(draws(1, seed=9)[0]))

    def nan_at_start(e):
        return jnp.sum(abs2(e - 1)) + jnp.where(jnp.sum(abs2(e - start)) < 1e-6, jnp.nan, 0.0)

    result = run(pgd.Config(n_steps=4, restarts=2), nan_at_start, ball, start)
    assert np.isfinite(result.trace[1:]).all()
    assert np.isnan(result.trace[0])
    assert np.isnan(result.loss)
    assert np.isnan(run(pgd.Config(n_steps=2), lambda e: jnp.sum(abs2(e)) * jnp.nan, ball).loss)


def test_a_blind_attack_says_so():
    result = run(pgd.Config(n_steps=2), lambda e: jnp.sum(abs2(jax.lax.stop_gradient(e))), THREATS["global"])
    assert result.gradient_norm == 0
    np.testing.assert_allclose(result.loss, 0.64, rtol=1e-5)


def test_noise_has_the_norm_of_the_attack(ball):
    result = noise.build(noise.Config())(KEY, lambda e: jnp.sum(abs2(e - 1)), ball)
    np.testing.assert_allclose(sizes(ball, np.asarray(result.delta)[None])[0], np.ravel(ball.radius), rtol=1e-6)
    np.testing.assert_allclose(result.loss, np.sum(np.abs(np.asarray(result.delta) - 1) ** 2), rtol=1e-5)
    np.testing.assert_array_equal(result.trace, [result.loss])


def test_attacks_of_a_batch_equal_attacks_one_by_one():
    attack = ATTACKS["pgd"].build(ATTACKS["pgd"].config())
    keys, targets, radii = jax.random.split(KEY, 3), draws(3, seed=10), jnp.asarray([0.1, 0.5, 2.0])
    one = jax.jit(lambda key, t, r: attack(key, lambda e: jnp.sum(abs2(e - t)), Threat(r, jnp.asarray(SUPPORT))))
    mapped = jax.vmap(one)(keys, targets, radii)
    for index in range(3):
        alone = one(keys[index], targets[index], radii[index])
        np.testing.assert_allclose(mapped.loss[index], alone.loss, rtol=1e-5)
        np.testing.assert_allclose(mapped.delta[index], alone.delta, rtol=1e-3, atol=1e-5)


def test_pgd_finds_the_exact_worst_case_of_sense():
    """The reconstruction is linear, so its worst perturbation is its first right singular vector."""
    m, config = measurement((12, 10), 4), sense.Config(lam=0.05, n_iters=20)
    solve = lambda kspace: sense.solve(config, m._replace(kspace=kspace)).image  # noqa: E731
    ball = balls.measured(0.05, m.kspace, m.mask)

    def gram(e):
        image, transpose = jax.vjp(solve, jnp.where(ball.support, e, 0))
        return jnp.where(ball.support, jnp.conj(transpose(jnp.conj(image))[0]), 0)

    value, vector = jax.jit(lambda start: largest_eigenvalue(gram, start, 150))(ball.random(KEY))
    exact = float(ball.radius * jnp.sqrt(value))
    loss = jax.jit(lambda e: jnp.sum(abs2(solve(m.kspace + e) - solve(m.kspace))))
    np.testing.assert_allclose(jnp.sqrt(loss(ball.radius * vector)), exact, rtol=1e-3)
    found, control = run(pgd.Config(n_steps=40), loss, ball), noise.build(noise.Config())(KEY, loss, ball)
    assert 0.99 * exact < np.sqrt(found.loss) < exact * (1 + 1e-3)
    assert np.sqrt(control.loss) < 0.8 * exact
