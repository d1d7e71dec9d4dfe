"""The published ascent with momentum: its growth on a linear map, snapshots, constants, and Algorithm 2."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.attacks import momentum
from jaxcs.threats.balls import Threat
from tests.helpers.asserts import relative_error

KEY = jax.random.key(3)
SIZE = 12
FREE = Threat(jnp.asarray(1e6), jnp.ones(SIZE, bool), domain="image")


def system(seed=0, sizes=None):
    """A complex matrix with these singular values, and its right singular vectors."""
    rng = np.random.default_rng(seed)
    draw = lambda: np.linalg.qr(rng.normal(size=(SIZE, SIZE, 2)) @ [1, 1j])[0]  # noqa: E731
    left, right = draw(), draw()
    sizes = np.linspace(0.2, 3, SIZE) if sizes is None else sizes
    return left * sizes @ right.conj().T, right, sizes


def linear(matrix):
    def residual(r):
        z = jnp.asarray(matrix, jnp.complex64) @ r
        return jnp.concatenate([jnp.real(z), jnp.imag(z)])

    return residual


def started(config):
    return config.start * np.asarray(jax.random.uniform(KEY, (SIZE,)), np.complex128)


def closed_form(config, matrix_parts, steps):
    """r after so many steps: along each singular vector a sum of two powers, from r and a first step without v."""
    _, right, sizes = matrix_parts
    first = right.conj().T @ started(config)
    found = []
    for s, r0 in zip(sizes, first, strict=True):
        slope = config.step * (s**2 - config.penalty)
        z = np.roots([1, -(1 + config.decay + slope), config.decay]).astype(complex)
        weights = np.linalg.solve([[1, 1], z], [r0, (1 + slope) * r0])
        found.append(weights @ z**steps)
    return right @ np.array(found)


CONFIG = momentum.Config(penalty=1.5, step=1e-3, start=0.01, snapshots=(1, 7, 40, 90))


def test_on_a_linear_map_every_singular_value_has_its_exact_growth():
    parts = system()
    result = jax.jit(lambda: momentum.snapshots(CONFIG)(KEY, linear(parts[0]), FREE))()
    for i, steps in enumerate(CONFIG.snapshots):
        expected = closed_form(CONFIG, parts, steps)
        assert relative_error(result.deltas[i], expected) < 1e-4
        np.testing.assert_allclose(result.norms[i], np.linalg.norm(expected), rtol=1e-4)
        np.testing.assert_allclose(result.changes[i], np.linalg.norm(parts[0] @ expected), rtol=1e-4)
    assert result.norms[-1] > 10 * result.norms[0]


@pytest.mark.parametrize(("gain", "grows"), [(1.1, True), (0.9, False)])
def test_a_perturbation_grows_if_its_squared_gain_exceeds_the_penalty(gain, grows):
    config = momentum.Config(penalty=1.0, step=0.05, snapshots=(1, 200))
    result = jax.jit(lambda: momentum.snapshots(config)(KEY, linear(gain * np.eye(SIZE)), FREE))()
    assert (result.norms[1] > 2 * result.norms[0]) == grows
    assert (result.norms[1] < 0.5 * result.norms[0]) != grows


def test_snapshots_are_separate_attacks_also_where_the_set_ends():
    bent = lambda r: (lambda x: x + jnp.sin(3 * x))(linear(system(1)[0])(r))  # noqa: E731
    ball = Threat(jnp.asarray(0.5), jnp.arange(SIZE) > 1, domain="image")
    kept = jax.jit(lambda: momentum.snapshots(CONFIG)(KEY, bent, ball))()
    assert kept.norms[-1] == pytest.approx(0.5, rel=1e-5)
    assert kept.norms[1] < 0.4
    for i, steps in enumerate(CONFIG.snapshots[:3]):
        alone = momentum.build(momentum.Config(CONFIG.penalty, CONFIG.step, CONFIG.start, steps))
        result = jax.jit(lambda alone=alone: alone(KEY, bent, ball))()
        assert relative_error(kept.deltas[i], result.delta) < 1e-5
        np.testing.assert_allclose(kept.changes[i] ** 2, result.loss, rtol=1e-4)


@pytest.mark.parametrize("steps", [12, 60, 300])
def test_with_the_automatic_step_the_worst_direction_has_grown_to_the_radius_in_the_last_step(steps):
    sizes = np.linspace(0.1, 2.5, SIZE)
    sizes[3] = 4
    parts = system(2, sizes)
    auto = momentum.Config(penalty=0.05, step=None, start=1e-3, n_steps=steps, snapshots=(steps // 2, steps))
    # The closed form of Algorithm 1 has the growth that is wanted, along a single direction.
    wanted = 5 * np.sqrt(2 * SIZE) / np.linalg.norm(started(auto))
    eta = float(momentum.automatic_step(auto, auto.decay, jnp.float32(wanted))) / 16
    by_hand = momentum.Config(penalty=0.05 * 16, step=eta, start=auto.start)
    first, last = (parts[1][:, 3].conj() @ closed_form(by_hand, parts, count) for count in (0, steps))
    assert abs(last / first) == pytest.approx(wanted, rel=2e-3)
    ball = Threat(jnp.asarray(5.0), jnp.ones(SIZE, bool), domain="image")
    result = jax.jit(lambda: momentum.snapshots(auto)(KEY, linear(parts[0]), ball))()
    expected = closed_form(by_hand, parts, steps // 2)
    assert relative_error(result.deltas[0], expected) < 2e-2
    # The start's share along one direction is random, and differs from its expectation.
    assert 5 / 4 < result.norms[1] < 5.001
    assert result.changes[1] / result.norms[1] == pytest.approx(4, rel=5e-3)


def test_the_automatic_step_lets_components_of_small_gain_shrink():
    config = momentum.Config(penalty=0.05, step=None, n_steps=1)
    assert momentum.automatic_step(config, 0.9, jnp.float32(1e6)) == pytest.approx(2 * 1.9 / 0.05)
    free = replace(config, penalty=0.0)
    assert momentum.automatic_step(free, 0.0, jnp.float32(1e6)) == pytest.approx(1e6, rel=1e-5)
    assert momentum.automatic_step(free, 0.9, jnp.float32(0.1)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("penalty", [1.0, -0.1])
def test_a_relative_penalty_is_below_one(penalty):
    with pytest.raises(ValueError, match="must be below 1"):
        momentum.Config(penalty=penalty, step=None)


def test_the_printed_constants_are_converted_into_the_units_of_half_the_squared_norm():
    """The published losses, by autodiff of their own formulas, against the gradient f - p."""
    rng = np.random.default_rng(0)
    f, p = jnp.asarray(rng.normal(size=(2, 2, 256, 256)), jnp.float32)[:, None]
    pair = jnp.concatenate([f, p]).reshape(2, 1, 2, 256, 256)
    f, p = (jnp.repeat(one, 2, 0) for one in pair)
    mean = jax.grad(lambda f: 2 * jnp.mean((p - f) ** 2))(f)
    factor = float(jnp.vdot(mean, f - p) / jnp.vdot(f - p, f - p))
    preset = momentum.PRESETS["deepmri"]
    assert preset.step == pytest.approx(0.01 * factor, rel=1e-4)
    assert preset.penalty == pytest.approx(0.001 / factor, rel=1e-4)
    assert (preset.penalty, preset.step) == (pytest.approx(65.5, rel=1e-3), pytest.approx(1.53e-7, rel=5e-3))
    for name, steps in (("automap_fig2", (12, 16, 20, 24)), ("automap_fig7", (160, 170, 177, 183))):
        preset, printed = momentum.PRESETS[name], momentum.PRESETS[f"{name}_printed"]
        assert (preset.penalty, preset.step) == (pytest.approx(0.0230, rel=3e-3), pytest.approx(0.00434, rel=1e-3))
        assert (printed.penalty, printed.step, printed.snapshots) == (0.1, 0.001, steps)
        assert preset.penalty * preset.step == pytest.approx(printed.penalty * printed.step)


def test_algorithm_2_by_numpy():
    """Another map in the adjoint's place, in the gradient alone."""
    rng = np.random.default_rng(4)
    a, b, net, target = (rng.normal(size=shape) for shape in ((8, SIZE), (SIZE, 8), (10, 8), (10,)))
    config = momentum.Config(penalty=0.3, step=1e-3, start=0.1, n_steps=6)
    r = v = np.real(started(config))
    v = 0 * r
    values = []
    for _ in range(6):
        residual = net @ (a @ r) - target
        values.append(np.sum(residual**2))
        v = 0.9 * v + 1e-3 * (b @ (net.T @ residual) - 0.3 * r)
        r = r + v
    measure = momentum.pulled_back_by(lambda x: jnp.float32(a) @ x, lambda y: jnp.float32(b) @ y)
    real = Threat(jnp.asarray(1e6), jnp.ones(SIZE, bool), real=True, domain="image")
    residual = lambda x: jnp.float32(net) @ measure(x) - jnp.float32(target)  # noqa: E731
    result = jax.jit(lambda: momentum.build(config)(KEY, residual, real))()
    np.testing.assert_allclose(result.trace, values, rtol=1e-4)
    assert relative_error(result.delta, r) < 1e-4


def test_the_adjoint_as_surrogate_changes_nothing():
    a = system(5)[0].astype(np.complex64)[:7]
    measure = momentum.pulled_back_by(lambda x: a @ x, lambda y: a.conj().T @ y)
    rng = np.random.default_rng(0)
    bent = lambda y: jnp.sum(jnp.sin(jnp.real(y)) + jnp.imag(y) ** 2)  # noqa: E731
    for x in (rng.normal(size=SIZE), rng.normal(size=(SIZE, 2)) @ [1, 1j]):
        x = jnp.asarray(x, jnp.complex64 if np.iscomplexobj(x) else jnp.float32)
        expected = jax.grad(lambda x: bent(a @ x))(x)
        assert relative_error(jax.grad(lambda x: bent(measure(x)))(x), expected) < 1e-5


@pytest.mark.parametrize("steps", [(0, 3), (3, 3), (4, 2)])
def test_snapshots_must_increase(steps):
    with pytest.raises(ValueError, match="snapshots are"):
        momentum.Config(snapshots=steps)


@pytest.mark.parametrize("step", [0.02, None])
def test_varied_constants_are_those_of_another_configuration(step):
    residual = linear(system()[0])
    config = momentum.Config(penalty=0.3, step=step, n_steps=30, snapshots=(10, 30))
    varied = momentum.Varied(*map(jnp.float32, (2.0, 1.5, 0.6)))
    found = momentum.snapshots(config, varied)(KEY, residual, FREE)
    # With the step of the largest singular value, the multiple is that of the step for this decay and the penalty 0.3.
    other = replace(config, penalty=0.6, step=None if step is None else 1.5 * step, decay=0.6)
    multiple = 1.0 if step else 1.5 * (1 - 0.6) / (1 - 0.3)
    expected = momentum.snapshots(other, momentum.Varied(*map(jnp.float32, (1.0, multiple, 0.6))))
    assert relative_error(found.deltas, expected(KEY, residual, FREE).deltas) < 1e-4
    if step is not None:
        assert relative_error(found.deltas, momentum.snapshots(other)(KEY, residual, FREE).deltas) < 1e-4
