"""The attacks beyond plain projected gradient ascent: against exact worst cases and against NumPy."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import ATTACKS, apgd, ensemble, grid, momentum, noise, padam, pgd, region, spectral, spsa
from jaxcs.attacks.base import squared_norm
from jaxcs.recon import sense
from jaxcs.threats.balls import Threat
from tests.helpers.asserts import complex_normal, relative_error
from tests.jaxcs.test_recon import measurement

SHAPE = (3, 4, 5)
SIZE = 60
KEY = jax.random.key(0)
SUPPORT = np.random.default_rng(0).random(SHAPE) < 0.7
GLOBAL = Threat(jnp.asarray(0.8), jnp.asarray(SUPPORT))
BALLS = {
    "per coil": Threat(jnp.asarray([0.8, 0.1, 0.0]).reshape(3, 1, 1), jnp.asarray(SUPPORT)),
    "real": Threat(jnp.asarray(0.8), jnp.asarray(SUPPORT), real=True),
}
SEARCHES = {
    "apgd": apgd.Config(n_steps=6),
    "padam": padam.Config(n_steps=4, restarts=2),
    "momentum": momentum.Config(n_steps=4),
    "spectral": spectral.Config(n_steps=3),
    "spsa": spsa.Config(n_steps=3, samples=2),
    "region": region.Config(n_steps=3),
    "ensemble": ensemble.Config((pgd.Config(3), spectral.Config(3), region.Config(2, published=True))),
}
BEST_POINT = ("apgd", "padam", "spsa")


def matrix(seed, decay=0.0):
    """A random complex matrix, 12 x 60, with zero columns off the support; the other columns may decay."""
    a = np.random.default_rng(seed).normal(size=(12, SIZE, 2)) @ [1, 1j] * np.exp(-decay * np.linspace(0, 1, SIZE))
    return (a * SUPPORT.ravel()).astype(np.complex64)


def split(z):
    return jnp.concatenate([jnp.real(z).ravel(), jnp.imag(z).ravel()])


def bent(target, e):
    """A residual that is neither linear nor 0 at e = 0."""
    x = split(jnp.asarray(matrix(1)) @ e.ravel())
    return x + jnp.sin(3 * x) - target


def search(config, key, residual, ball, start=None):
    entry = next(entry for entry in ATTACKS.values() if entry.config is type(config))
    objective = residual if entry.sees == "residual" else squared_norm(residual)
    return entry.build(config)(key, objective, ball, start)


@cache
def compiled(name, kind):
    ball = BALLS[kind]

    def run(key, target, scale):
        threat = Threat(scale * ball.radius, ball.support, ball.real)
        return search(SEARCHES[name], key, lambda e: bent(target, e), threat)

    return jax.jit(run)


def target(seed=2):
    return np.random.default_rng(seed).normal(size=24).astype(np.float32)


@pytest.mark.parametrize("kind", BALLS)
@pytest.mark.parametrize("name", SEARCHES)
def test_results_are_in_the_set_with_their_own_loss(name, kind):
    ball, run = BALLS[kind], compiled(name, kind)
    result = run(KEY, target(), 1.0)
    delta = np.asarray(result.delta)
    assert delta.dtype == (np.float32 if ball.real else np.complex64)
    assert np.all(np.linalg.norm(delta.reshape(ball.radius.size, -1), axis=1) <= np.ravel(ball.radius) * (1 + 1e-6))
    assert np.any(delta)
    assert not np.any(delta[~SUPPORT])
    np.testing.assert_allclose(result.loss, np.sum(np.asarray(bent(target(), delta)) ** 2), rtol=1e-5)
    assert result.loss == np.max(result.restarts)
    assert result.gradient_norm > 0
    if name in BEST_POINT:
        assert result.loss >= np.max(result.trace)
    still = run(KEY, target(), 0.0)
    np.testing.assert_array_equal(still.delta, 0)
    np.testing.assert_allclose(still.loss, np.sum(target() ** 2), rtol=1e-5)
    assert all(np.all(np.isfinite(leaf)) for leaf in still)


@pytest.mark.parametrize("name", SEARCHES)
def test_a_batch_equals_one_by_one(name):
    run, scales = compiled(name, "per coil"), jnp.asarray([0.1, 0.5, 2.0])
    keys, targets = jax.random.split(KEY, 3), jnp.stack([target(seed) for seed in range(3)])
    mapped = jax.vmap(run)(keys, targets, scales)
    for index in range(3):
        alone = run(keys[index], targets[index], scales[index])
        np.testing.assert_allclose(mapped.loss[index], alone.loss, rtol=1e-4)
        np.testing.assert_allclose(mapped.trace[index], alone.trace, rtol=1e-4)
        assert relative_error(mapped.delta[index], alone.delta) < 1e-3


@pytest.mark.parametrize("name", SEARCHES)
def test_warm_starts_and_losses_of_nan(name):
    """The search begins at the given start.  NaN there is kept, and a loss of NaN everywhere is detected."""

    @jax.jit
    def search_from(start, bad):
        residual = lambda e: bent(target(), e) + jnp.where(jnp.sum(jnp.abs(e - bad)) < 1e-3, jnp.nan, 0.0)  # noqa: E731
        return search(SEARCHES[name], KEY, residual, GLOBAL, start)

    start = complex_normal(np.random.default_rng(5), SHAPE)
    first = GLOBAL.boundary(start)
    result = search_from(start, jnp.full(SHAPE, 9.0))
    loss = float(np.sum(np.asarray(bent(target(), first)) ** 2))
    if name == "spectral":
        loss = jnp.sum(jax.jvp(partial(bent, target()), (0 * first,), (first,))[1] ** 2)
    if name not in ("padam", "ensemble"):
        np.testing.assert_allclose(result.trace[0], loss, rtol=1e-4)
    else:
        assert result.loss >= loss
    if name in BEST_POINT:
        lost = search_from(start, first)
        assert np.isnan(lost.loss)
        np.testing.assert_allclose(lost.delta, first, atol=1e-6)
    assert np.isnan(compiled(name, "per coil")(KEY, target() * np.nan, 1.0).loss)


# With these settings each attack reaches 99 % of the exact worst case.
ENOUGH = {
    "apgd": apgd.Config(n_steps=30),
    "padam": padam.Config(n_steps=150),
    "spectral": spectral.Config(n_steps=60),
    "momentum": momentum.Config(n_steps=100),
    "region": region.Config(n_steps=60),
    "ensemble": ensemble.Config(),
}


def shares(config, decay=0.0, n=10):
    """sqrt(loss) / (radius * largest singular value, by NumPy) for n matrices, with the truth at e = 0."""
    ball = GLOBAL
    find = jax.jit(lambda a: search(config, KEY, lambda e: split(a @ e.ravel()), ball))
    for seed in range(n):
        a = matrix(seed, decay)
        result = find(a)
        assert np.linalg.norm(result.delta) <= 0.8 * (1 + 1e-6)
        assert not np.any(np.asarray(result.delta)[~SUPPORT])
        yield float(np.sqrt(result.loss) / (0.8 * np.linalg.svd(a, compute_uv=False)[0]))


@pytest.mark.parametrize("name", ENOUGH)
def test_the_exact_worst_case_is_reached(name):
    found = list(shares(ENOUGH[name]))
    assert min(found) > 0.99
    assert max(found) < 1 + 1e-5


def test_published_adam_stops_short_where_the_spectrum_decays():
    """Adam moves every entry alike; a large eps undoes that."""
    published, ours = padam.PRESETS["genzel2020"], padam.Config()
    assert max(shares(published, decay=3.0, n=3)) < 0.7
    assert min(shares(ours, decay=3.0, n=3)) > 0.96


def test_spsa_beats_noise_and_estimates_the_gradient():
    found, control = list(shares(spsa.Config(), n=5)), list(shares(noise.Config(), n=5))
    assert min(found) > 1.25 * max(control)
    assert np.mean(found) > 1.7 * np.mean(control)
    slope = np.asarray(complex_normal(np.random.default_rng(6), SHAPE))
    ball = Threat(jnp.asarray([0.8, 0.5, 1.2]).reshape(3, 1, 1), jnp.asarray(SUPPORT))
    attack = spsa.build(spsa.Config(n_steps=1, samples=4000))
    result = attack(KEY, lambda e: jnp.sum(jnp.real(jnp.conj(slope) * e)), ball)
    np.testing.assert_allclose(result.gradient_norm, np.linalg.norm(slope[SUPPORT]), rtol=0.05)


def test_checkpoints_of_auto_pgd():
    """p = 0.22, 0.41, 0.57, 0.70, 0.80, 0.87, 0.93, 0.99 by hand from the paper's rule."""
    assert apgd.checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert apgd.checkpoints(20) == [5, 9, 12, 14, 16, 18, 19]
    assert apgd.checkpoints(10) == [3, 5, 6, 7, 8, 9]
    assert apgd.checkpoints(1) == []


def project(e, radius=0.8):
    return e * min(1.0, radius / np.linalg.norm(e))


def wavy(e):
    """A loss with many maxima on the support, and its ascent, for both NumPy and JAX."""
    xp = jnp if isinstance(e, jax.Array) else np
    x, y = e.real, e.imag
    value = xp.sum(SUPPORT * (xp.cos(15 * x) + 0.5 * xp.sin(12 * y) + x - 0.4 * y))
    return value, SUPPORT * (-15 * xp.sin(15 * x) + 1 + 1j * (6 * xp.cos(12 * y) - 0.4))


@pytest.mark.parametrize(("rho", "n_halvings"), [(0.75, 4), (0.0, 3)])
def test_auto_pgd_is_algorithm_1(monkeypatch, rho, n_halvings):
    """The algorithm is written again from the paper; with rho = 0 the second condition alone halves the step."""
    monkeypatch.setattr(apgd, "_RHO", rho)
    n_steps, ball = 40, GLOBAL
    start = np.asarray(ball.boundary(complex_normal(np.random.default_rng(0), SHAPE)), np.complex128)
    x, before, eta, best, values = start, start, 1.6, (-np.inf, start), []
    checked, last, last_eta, last_best = apgd.checkpoints(n_steps), 0, 1.6, -np.inf
    for k in range(n_steps):
        values.append(wavy(x)[0])
        best = max(best, (values[-1], x), key=lambda pair: pair[0])
        if k in checked:
            rises = sum(values[i + 1] > values[i] for i in range(last, k))
            halve = rises < rho * (k - last) or (last_eta == eta and last_best == best[0])
            last, last_eta, last_best = k, eta, best[0]
            if halve:
                eta, x = eta / 2, best[1]
        gradient = wavy(x)[1]
        z = project(x + eta * gradient / np.linalg.norm(gradient))
        alpha = 0.75 if k else 1.0
        x, before = project(x + alpha * (z - x) + (1 - alpha) * (x - before)), x
    assert eta == 1.6 / 2**n_halvings
    assert n_halvings < len(checked)
    result = apgd.build(apgd.Config(n_steps))(KEY, lambda e: wavy(e)[0], ball, start.astype(np.complex64))
    np.testing.assert_allclose(result.trace, values, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(result.loss, best[0], rtol=1e-4)
    np.testing.assert_allclose(result.restarts, [best[0]], rtol=1e-4)


@pytest.mark.parametrize("config", [padam.Config(8), *padam.PRESETS.values()])
def test_projected_adam_is_adam_on_real_pairs(config):
    """Kingma & Ba's Algorithm 1 by NumPy, and a projection after each step."""
    ball, config = GLOBAL, padam.Config(6, 1, config.learning_rate, config.eps, config.start_size)
    start = config.start_size * np.asarray(ball.random(jax.random.split(KEY, 1)[0]), np.complex128)
    e, m, v, values, unit = start, 0, 0, [], 0.8 / np.sqrt(2 * SUPPORT.sum())
    scale = np.sqrt(np.sum(np.abs(wavy(start)[1]) ** 2) / (2 * SUPPORT.sum()))
    for k in range(1, 7):
        value, gradient = wavy(e)
        pair = np.stack([gradient.real, gradient.imag]) / scale
        m, v = 0.9 * m + 0.1 * pair, 0.999 * v + 0.001 * pair**2
        update = (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + config.eps)
        step = config.learning_rate * unit * (update[0] + 1j * update[1])
        if k == 1 and config.eps < 1:
            np.testing.assert_allclose(np.linalg.norm(step), config.learning_rate * 0.8, rtol=1e-3)
        values.append(value)
        e = project(e + step)
    result = jax.jit(lambda: padam.build(config)(KEY, lambda e: wavy(e)[0], ball))()
    np.testing.assert_allclose(result.trace, values, rtol=2e-3)
    assert result.loss == np.max(result.trace)


@pytest.mark.parametrize("radius", [0.3, 1e3])
def test_momentum_is_the_published_iteration_until_it_meets_the_set(radius):
    config, a = momentum.Config(penalty=0.1, step=2e-3, start=1e-2, n_steps=12), matrix(3).astype(np.complex128)
    ball, shift = Threat(jnp.asarray(radius), jnp.ones(SHAPE, bool)), target(4)
    r = 1e-2 * np.asarray(jax.random.uniform(KEY, SHAPE), np.complex128).ravel()
    v, free, values = 0, 0, []
    for _ in range(12):
        residual = a @ r - (shift[:12] + 1j * shift[12:])
        values.append(np.sum(np.abs(residual) ** 2))
        v = 0.9 * v + 2e-3 * (a.conj().T @ residual - 0.1 * r)
        free += np.linalg.norm(r + v) < radius
        r = project(r + v, radius)
    assert free == 12 if radius > 1 else 0 < free < 12
    result = search(config, KEY, lambda e: split(jnp.asarray(matrix(3)) @ e.ravel()) - shift, ball)
    np.testing.assert_allclose(result.trace, values, rtol=1e-4)
    assert relative_error(np.ravel(result.delta), r) < 1e-4


@jax.custom_vjp
def saturate(x):
    return jnp.tanh(x)


saturate.defvjp(lambda x: (jnp.tanh(x), x), lambda x, bar: (bar / jnp.cosh(x) ** 2,))


def test_spectral_finds_the_singular_pair_of_a_nonlinear_function():
    """NumPy uses the real Jacobian written by hand; forward differentiation cannot cross the custom rule."""
    rng = np.random.default_rng(7)
    outer, inner, offset = rng.normal(size=(9, 20)), rng.normal(size=(20, 2 * SIZE)) / 8, rng.normal(size=20)
    function = lambda e: jnp.asarray(outer) @ saturate(jnp.asarray(inner) @ split(e) + offset)  # noqa: E731
    zero = jnp.zeros(SHAPE, jnp.complex64)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(function, (zero,), (zero,))
    jacobian = outer @ np.diag(1 - np.tanh(offset) ** 2) @ inner * np.tile(SUPPORT.ravel(), 2)
    _, sizes, vectors = np.linalg.svd(jacobian)
    ball = Threat(jnp.asarray(0.05), jnp.asarray(SUPPORT))
    value, vector = jax.jit(lambda: spectral.singular_pair(function, ball, ball.random(KEY), 60))()
    np.testing.assert_allclose(value, sizes[0], rtol=1e-3)
    along = vectors[0] @ np.asarray(split(vector))
    assert abs(along) == pytest.approx(1.0, abs=1e-3)
    result = search(spectral.Config(60), KEY, function, ball)
    np.testing.assert_allclose(result.trace[-1], (0.05 * sizes[0]) ** 2, rtol=3e-3)
    both = [np.sum(np.asarray(function(sign * result.delta)) ** 2) for sign in (1, -1)]
    assert both[0] > both[1]
    assert abs(vectors[0] @ np.asarray(split(result.delta))) == pytest.approx(0.05, rel=1e-3)


def test_spectral_is_exact_for_sense():
    """Its adjoint is an iteration that must not be differentiated again; its response to impulses is the matrix."""
    m = measurement((6, 5), 2)
    solve = lambda kspace: sense.solve(sense.Config(lam=0.05, n_iters=20), m._replace(kspace=kspace)).image  # noqa: E731
    size = m.kspace.size
    impulses = jnp.eye(size, dtype=jnp.complex64).reshape(size, *m.kspace.shape)
    columns = np.asarray(jax.jit(jax.vmap(solve))(impulses)).reshape(size, -1)
    largest = np.linalg.svd(columns[np.ravel(np.broadcast_to(m.mask, m.kspace.shape))], compute_uv=False)[0]
    ball = Threat(jnp.asarray(0.01), jnp.broadcast_to(m.mask, m.kspace.shape))
    residual = lambda e: split(solve(m.kspace + e) - solve(m.kspace))  # noqa: E731
    result = jax.jit(lambda: search(spectral.Config(60), KEY, residual, ball))()
    assert 0.995 < np.sqrt(result.loss) / (0.01 * largest) < 1.001


def test_spectral_climbs_at_every_step_coil_by_coil():
    ball = Threat(jnp.asarray([0.8, 0.1, 0.3]).reshape(3, 1, 1), jnp.asarray(SUPPORT))
    result = search(spectral.Config(15), KEY, lambda e: split(jnp.asarray(matrix(8)) @ e.ravel()), ball)
    assert np.all(np.diff(result.trace) > -1e-4 * result.loss)
    assert result.trace[-1] > 1.5 * result.trace[0]
    np.testing.assert_allclose(result.trace[-1], result.loss, rtol=0.02)


@pytest.mark.parametrize("published", [False, True])
def test_region_is_the_hand_written_ascent(published):
    radii = np.array([0.8, 0.1, 0.3]).reshape(3, 1, 1)
    ball = Threat(jnp.asarray(radii, jnp.float32), jnp.asarray(SUPPORT))
    start = np.asarray(ball.random(KEY), np.complex128)
    coil_norm = lambda z: np.sqrt(np.sum(np.abs(z) ** 2, axis=(1, 2), keepdims=True))  # noqa: E731
    z, values = start, []
    for _ in range(4):
        value, g = wavy(z)
        values.append(value)
        if published:
            z = z / np.linalg.norm(z) + 0.5 * g / np.linalg.norm(g)
            z = radii * z / np.maximum(1, coil_norm(z))
        else:
            z = z + 0.5 * radii * g / coil_norm(g)
            z = z * np.minimum(1, radii / coil_norm(z))
    result = region.build(region.Config(4, published=published))(KEY, lambda e: wavy(e)[0], ball)
    np.testing.assert_allclose(result.trace, values, rtol=1e-4)
    assert relative_error(result.delta, z) < 1e-4
    np.testing.assert_allclose(result.loss, wavy(z)[0], rtol=1e-4)


def test_the_published_clamp_leaves_each_of_15_coils_a_share_of_its_radius():
    ball = Threat(jnp.full((15, 1, 1), 0.2), jnp.ones((15, 3, 4), bool))
    slope = complex_normal(np.random.default_rng(9), (15, 3, 4))
    loss = lambda e: jnp.sum(jnp.abs(e + slope) ** 2)  # noqa: E731
    sizes = {p: region.build(region.Config(published=p))(KEY, loss, ball).delta for p in (False, True)}
    sizes = {p: np.linalg.norm(np.asarray(e).reshape(15, -1), axis=1) / 0.2 for p, e in sizes.items()}
    assert np.min(sizes[False]) > 0.999
    assert np.max(sizes[True]) < 0.6
    assert 0.2 < np.sqrt(np.mean(sizes[True] ** 2)) < 0.39


def test_grid_is_exhaustive():
    ball = Threat(jnp.asarray(2.0), jnp.ones((), bool), real=True)
    loss = lambda t: jnp.sin(5 * t) + 0.3 * t  # noqa: E731
    result = jax.jit(lambda: grid.build(grid.Config(41))(KEY, loss, ball))()
    values = np.linspace(-2, 2, 41)
    losses = np.sin(5 * values) + 0.3 * values
    np.testing.assert_allclose(result.trace, losses, atol=1e-5)
    np.testing.assert_allclose(result.delta, values[np.argmax(losses)], rtol=1e-5)
    np.testing.assert_allclose(result.loss, np.max(losses), rtol=1e-5)
    np.testing.assert_allclose(result.gradient_norm, np.max(np.abs(np.diff(losses))) / 0.1, rtol=1e-4)
    at_edge = grid.build(grid.Config(5))(
        KEY, lambda t: jnp.sum(t), Threat(jnp.asarray(2.0), jnp.ones((1, 1), bool), True)
    )
    np.testing.assert_array_equal(at_edge.delta, [[2.0]])
    assert grid.build(grid.Config(5))(KEY, lambda t: 0 * t, ball).gradient_norm == 0
    still = grid.build(grid.Config(5))(KEY, loss, Threat(jnp.asarray(0.0), jnp.ones((), bool), real=True))
    assert (float(still.delta), float(still.loss), float(still.gradient_norm)) == (0.0, 0.0, 0.0)
    for wrong in (Threat(jnp.asarray(2.0), jnp.ones((), bool)), Threat(jnp.asarray(2.0), jnp.ones(2, bool), real=True)):
        with pytest.raises(ValueError, match="one real parameter"):
            grid.build(grid.Config())(KEY, loss, wrong)


def test_ensemble_keeps_the_worst_of_its_members():
    config = ensemble.Config((momentum.Config(n_steps=1), pgd.Config(2), spectral.Config(3)))
    residual = lambda e: bent(target(), e)  # noqa: E731
    result = jax.jit(lambda: search(config, KEY, residual, GLOBAL))()
    keys = jax.random.split(KEY, 3)
    alone = [search(m, k, residual, GLOBAL) for m, k in zip(config.members, keys, strict=True)]
    np.testing.assert_allclose(result.restarts, [member.loss for member in alone], rtol=1e-4)
    winner = int(np.argmax(result.restarts))
    assert result.loss == result.restarts[winner]
    assert relative_error(result.delta, alone[winner].delta) < 1e-3
    n = alone[winner].trace.size
    assert result.trace.shape == (3,)
    np.testing.assert_allclose(result.trace[:n], alone[winner].trace, rtol=1e-4)
    assert np.all(np.asarray(result.trace[n:]) == result.trace[n - 1])


@pytest.mark.parametrize("make", [lambda n: apgd.Config(3, n), lambda n: padam.Config(3, n)])
def test_the_strongest_restart_counts(make):
    result = search(make(4), KEY, lambda e: bent(target(), e), GLOBAL)
    assert result.restarts.shape == (4,)
    assert result.loss == np.max(result.restarts)
    assert np.ptp(result.restarts) > 0
