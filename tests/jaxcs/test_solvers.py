"""Solvers on small dense problems, for which NumPy and optimality certificates give the answer."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize

from jaxcs.complex import abs2, magnitude
from jaxcs.operators import FiniteDifference
from jaxcs.prox import project_ball, soft_threshold
from jaxcs.solvers import cg, fista, ista, largest_eigenvalue, pogm, primal_dual
from tests.helpers.asserts import relative_error

LAM = 0.05
# Square numbers: an unrolled loop then has no remainder, and compiles in half the time.
N_ITERS = {"cg": 36, "ista": 400, "fista": 400, "pogm": 400, "primal_dual": 784}
SOLVERS = list(N_ITERS)
# Solvers that are also differentiated through their iterations.
UNROLLED = ["ista", "fista", "pogm"]


@pytest.fixture
def x64():
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", False)


def problem(seed, n_rows=16, dtype=np.complex128):
    """A matrix of norm 1 and condition 2, and data y."""
    rng = np.random.default_rng(seed)
    normal = lambda *shape: rng.normal(size=shape) + 1j * rng.normal(size=shape)  # noqa: E731
    left, _, right = np.linalg.svd(normal(n_rows, 12), full_matrices=False)
    values = np.linspace(1, 0.5, min(n_rows, 12))
    return ((left * values) @ right).astype(dtype), normal(n_rows).astype(dtype)


@partial(jax.jit, static_argnames=("name", "differentiate", "n_iters", "lam"))
def solve(name, theta, differentiate="implicit", n_iters=None, lam=LAM):
    """Compute the minimiser by one of the solvers, with theta = (matrix, y).

    TV sees the unknown as an image of three rows.
    """
    shape = (3, theta[0].shape[1] // 3)
    n_iters = n_iters or N_ITERS[name]
    hermitian = lambda matrix, r: (jnp.conj(matrix.T) @ r).reshape(shape)  # noqa: E731
    apply = lambda matrix, x: matrix @ x.ravel()  # noqa: E731
    gradient = lambda theta, x: hermitian(theta[0], apply(theta[0], x) - theta[1])  # noqa: E731
    x0 = jnp.zeros(shape, theta[1].dtype)
    if name == "cg":
        normal = lambda matrix, x: hermitian(matrix, apply(matrix, x)) + lam * x  # noqa: E731
        return cg(partial(normal, theta[0]), hermitian(*theta), n_iters)
    if name == "primal_dual":
        conjugate_prox = lambda theta, u, sigma: project_ball(u, lam)  # noqa: E731
        steps = (1 / (0.5 + 0.25 * 8), 0.25)
        return primal_dual(gradient, conjugate_prox, FiniteDifference(), theta, x0, steps, 0.0, n_iters).image
    prox = lambda theta, z, step: soft_threshold(z, step * lam)  # noqa: E731
    solver = {"ista": ista, "fista": fista, "pogm": pogm}[name]
    return solver(gradient, prox, theta, x0, 1.0, n_iters, 0.0, differentiate).image


def l1_objective(matrix, y, x, lam):
    return 0.5 * np.linalg.norm(matrix @ x.ravel() - y) ** 2 + lam * np.sum(np.abs(x))


def tv_objective(matrix, y, x):
    d = np.asarray(FiniteDifference().forward(jnp.asarray(x)))
    return 0.5 * np.linalg.norm(matrix @ x.ravel() - y) ** 2 + LAM * np.sum(np.sqrt(np.sum(np.abs(d) ** 2, axis=0)))


@pytest.mark.parametrize("seed", range(3))
def test_cg_equals_a_direct_solution(seed):
    matrix, y = problem(seed, dtype=np.complex64)
    expected = np.linalg.solve(matrix.conj().T @ matrix + LAM * np.eye(12), matrix.conj().T @ y)
    found = [np.asarray(solve("cg", (matrix, y), n_iters=n)).ravel() for n in (4, 12, 324)]
    errors = [relative_error(x, expected) for x in found]
    assert errors[0] > 1e-3
    assert errors[1] < 1e-4
    assert errors[2] < 1e-5  # iterations after convergence do no harm


def test_cg_solves_a_real_singular_system_in_the_range():
    values = np.array([4.0, 1.0, 0.0], np.float32)
    x = cg(lambda x: values * x, jnp.asarray([4.0, 3.0, 0.0]), 20)
    np.testing.assert_allclose(x, [1, 3, 0], rtol=1e-6)


@pytest.mark.usefixtures("x64")
def test_all_derivatives_of_cg_are_those_of_a_dense_solve():
    """The pushed vector, the pulled vector and the pulled vector's derivative; at no data as well."""
    matrix, y = problem(0)
    hermitian = matrix.conj().T @ matrix + LAM * np.eye(12)
    moved, other = problem(1)

    def by_cg(normal, b):
        return cg(lambda x: normal @ x, b, 36)

    for b in (matrix.conj().T @ y, np.zeros(12, complex)):
        at, change, v = (hermitian, b), (moved.conj().T @ moved, other[:12]), problem(2)[1][:12]

        def derivatives(solve, at=at, change=change, v=v):
            pull = lambda v: jax.vjp(solve, *at)[1](v)  # noqa: E731
            return jax.jvp(solve, at, change), pull(v), jax.vjp(pull, v)[1](change), jax.jvp(pull, (v,), (v,))

        found, expected = jax.jit(derivatives, static_argnums=0)(by_cg), derivatives(jnp.linalg.solve)
        chex.assert_trees_all_close(found, expected, rtol=1e-8, atol=1e-9)
        # The solution is linear in b, so that a vector that is pulled back and differentiated is pushed.
        assert np.linalg.norm(found[2][0]) > 1


def test_cg_keeps_nan():
    b = jnp.asarray([1.0, jnp.nan])
    x, transpose = jax.vjp(lambda b: cg(lambda x: 2 * x, b, 5), b)
    assert np.isnan(x).any()
    assert np.isnan(transpose(b)[0]).any()


@pytest.mark.parametrize("name", ["ista", "fista", "pogm"])
@pytest.mark.parametrize("n_rows", [16, 9])
def test_l1_minimum_has_no_duality_gap(name, n_rows):
    """|A^H r| <= lambda makes the residual r a dual point, whose value bounds the minimum from below."""
    for seed in range(3):
        matrix, y = problem(seed, n_rows, np.complex64)
        x = np.asarray(solve(name, (matrix, y), n_iters=1024, lam=1.0))
        assert 0 < np.sum(np.abs(x) > 0) < x.size
        residual = y - matrix @ x.ravel()
        residual = residual * min(1, 1 / np.max(np.abs(matrix.conj().T @ residual)))
        dual = np.vdot(residual, y).real - 0.5 * np.linalg.norm(residual) ** 2
        assert l1_objective(matrix, y, x, 1.0) <= dual * (1 + 1e-4)


def test_l1_minimum_of_a_real_problem_equals_scipy():
    matrix, y = (np.real(a) for a in problem(0))
    split = np.concatenate([matrix, -matrix], axis=1)  # x = p - q with p, q >= 0 makes the objective smooth

    def objective(pq):
        residual = split @ pq - y
        return 0.5 * residual @ residual + 0.3 * np.sum(pq), split.T @ residual + 0.3

    reference = minimize(
        objective, np.zeros(24), jac=True, bounds=[(0, None)] * 24, options={"ftol": 1e-14, "gtol": 1e-9}
    )
    expected = reference.x[:12] - reference.x[12:]
    assert np.sum(np.abs(expected) < 1e-6) > 2
    x = np.asarray(solve("fista", (jnp.asarray(matrix), jnp.asarray(y)), n_iters=484, lam=0.3))
    assert l1_objective(matrix, y, x, 0.3) <= reference.fun * (1 + 1e-4)
    assert relative_error(x.ravel(), expected) < 1e-3


def test_tv_minimum_has_no_duality_gap():
    """NumPy solves the dual problem by projected gradients; its value bounds the primal value from below."""
    for seed in range(3):
        matrix, y = problem(seed)
        inverse = np.linalg.inv(matrix.conj().T @ matrix)
        basis = [
            np.asarray(FiniteDifference().forward(e.reshape((3, 4)))).ravel() for e in np.eye(12, dtype=np.float32)
        ]
        differences = np.stack(basis, axis=1)
        b, u = matrix.conj().T @ y, np.zeros(24, complex)
        for _ in range(3000):  # 8 / 0.5^2 bounds the curvature
            u = u + differences @ (inverse @ (b - differences.T @ u)) / 32
            sizes = np.linalg.norm(u.reshape(2, 12), axis=0)
            u = (u.reshape(2, 12) * np.minimum(1, LAM / np.maximum(sizes, 1e-30))).ravel()
        rest = b - differences.T @ u
        dual = 0.5 * np.linalg.norm(y) ** 2 - 0.5 * np.vdot(rest, inverse @ rest).real
        x = np.asarray(solve("primal_dual", (matrix.astype(np.complex64), y.astype(np.complex64))))
        assert tv_objective(matrix, y, x) <= dual * (1 + 1e-4)
        assert relative_error(x.ravel(), inverse @ rest) < 1e-2


def test_primal_dual_runs_the_iteration_of_its_paper():
    """Four steps are written out.

    Without the extrapolation 2 x+ - x the limit would be the same, but would not always be reached.
    """
    matrix, y = problem(6, dtype=np.complex64)
    d, tau, sigma = FiniteDifference(), 1 / (0.5 + 0.25 * 8), 0.25
    x, u = np.zeros((3, 4), np.complex64), np.zeros((2, 3, 4), np.complex64)
    for _ in range(4):
        residual = matrix @ x.ravel() - y
        new = x - tau * ((matrix.conj().T @ residual).reshape(3, 4) + d.adjoint(u))
        u = u + sigma * np.asarray(d.forward(2 * new - x))
        u = u / np.maximum(1, np.linalg.norm(u, axis=0) / LAM)
        x = np.asarray(new)
    assert relative_error(solve("primal_dual", (matrix, y), n_iters=4), x) < 1e-5


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("name", SOLVERS)
def test_implicit_gradient_equals_unrolled_gradient_and_finite_differences(name):
    theta = problem(1)
    direction = problem(2)
    c = problem(3)[0][:12, 0].reshape(3, 4)

    def loss(theta, differentiate):
        x = solve(name, theta, differentiate)
        return jnp.sum(jnp.real(jnp.conj(c) * x)) + jnp.sum(abs2(x - 1)) + jnp.sum(magnitude(x[0]))

    modes = ("implicit", "unroll") if name in UNROLLED else ("implicit",)
    gradients = {mode: jax.jit(jax.grad(lambda t, m=mode: loss(t, m)))(theta) for mode in modes}
    step = 1e-5
    moved = [loss(jax.tree.map(lambda t, d, s=s: t + s * d, theta, direction), "implicit") for s in (step, -step)]
    slope = (moved[0] - moved[1]) / (2 * step)
    for gradient in gradients.values():
        pairs = zip(gradient, direction, strict=True)
        np.testing.assert_allclose(sum(np.sum(np.real(g * d)) for g, d in pairs), slope, rtol=1e-3)
    for implicit, unrolled in zip(gradients["implicit"], gradients[modes[-1]], strict=True):
        assert relative_error(implicit, unrolled) < 1e-3


@pytest.mark.parametrize("name", ["cg", "fista", "primal_dual"])
def test_a_batch_equals_a_loop(name):
    """The last problem of the batch is all zero, and converges at once."""
    thetas = [problem(seed, dtype=np.complex64) for seed in range(3)]
    thetas.append((thetas[0][0], 0 * thetas[0][1]))
    batch = jax.tree.map(lambda *leaves: np.stack(leaves), *thetas)

    def loss(theta):
        x = solve(name, theta, n_iters=100)
        return jnp.sum(abs2(x - 1)), x

    one = jax.jit(jax.grad(loss, has_aux=True))
    mapped = jax.tree.leaves(jax.jit(jax.vmap(one))(batch))
    for index, theta in enumerate(thetas):
        alone = jax.tree.leaves(one(theta))
        for left, right in zip(mapped, alone, strict=True):
            assert np.all(np.isfinite(right))
            np.testing.assert_allclose(left[index], right, rtol=1e-3, atol=1e-4 * float(np.max(np.abs(right))) + 1e-7)
    gradient_y, x = alone[1:]
    np.testing.assert_array_equal(x, 0)
    # If the l1 norm holds x at 0, x does not depend on the data.
    assert np.any(gradient_y) == (name != "fista")


@pytest.mark.parametrize("name", ["cg", "fista", "primal_dual"])
def test_memory_of_the_gradient(name):
    """The memory of the implicit gradient does not depend on the iterations.

    Unrolled, 16 times as many iterations need less than 6 times the memory.
    """
    theta = (np.zeros((4, 600), np.complex64), np.zeros(4, np.complex64))

    def temporary(differentiate, n_iters):
        gradient = jax.grad(lambda theta: jnp.sum(abs2(solve(name, theta, differentiate, n_iters))))
        return jax.jit(gradient).lower(theta).compile().memory_analysis().temp_size_in_bytes

    implicit = [temporary("implicit", n) for n in (49, 784)]
    assert implicit[0] > 0
    assert implicit[1] <= 1.05 * implicit[0]
    if name == "fista":
        unrolled = [temporary("unroll", n) for n in (49, 784)]
        assert unrolled[0] < unrolled[1] < 6 * unrolled[0]


@pytest.mark.parametrize("name", UNROLLED)
def test_unrolling_zero_data_meets_no_nan(name):
    matrix, y = problem(0, dtype=np.complex64)
    jax.config.update("jax_debug_nans", True)
    try:
        x, transpose = jax.vjp(lambda theta: solve(name, theta, "unroll", 16), (matrix, 0 * y))
        np.testing.assert_array_equal(x, 0)
        assert all(np.all(np.isfinite(gradient)) for gradient in transpose(jnp.ones_like(x))[0])
    finally:
        jax.config.update("jax_debug_nans", False)


def test_fista_is_ahead_of_ista():
    """The problem is ill-conditioned, so that momentum without restart would oscillate."""
    left, _, right = np.linalg.svd(problem(4)[0], full_matrices=False)
    matrix, y = ((left * np.logspace(0, -2, 12)) @ right).astype(np.complex64), problem(4)[1].astype(np.complex64)
    theta = (matrix, y)
    objective = lambda name, n: l1_objective(matrix, y, np.asarray(solve(name, theta, n_iters=n, lam=1e-3)), 1e-3)  # noqa: E731
    values = {name: np.array([objective(name, n) for n in (9, 100, 1024)]) for name in ("ista", "fista")}
    assert np.all(values["fista"] < values["ista"])
    assert np.all(np.diff(values["fista"]) <= 1e-6)
    assert values["ista"][1] > 1.01 * values["fista"][1]


def test_largest_eigenvalue_equals_numpy():
    matrix, _ = problem(5, dtype=np.complex64)
    normal = matrix.conj().T @ matrix
    value, vector = largest_eigenvalue(lambda v: normal @ v, jnp.ones(12, jnp.complex64), 500)
    np.testing.assert_allclose(value, np.linalg.eigvalsh(normal)[-1], rtol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-5)
    assert relative_error(normal @ vector, value * vector) < 1e-2
