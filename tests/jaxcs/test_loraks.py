"""LORAKS against explicit structured matrices in NumPy, its gradient in float64, and its solver's estimate."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.operators.annihilation import annihilation, complete, gram, neighbourhood
from jaxcs.operators.null_space import null_space
from jaxcs.recon import loraks
from jaxcs.recon.staged import stages_of
from jaxcs.types import Measurement
from tests.helpers.asserts import assert_adjoint, complex_normal, float64, relative_error
from tests.jaxcs.test_recon import KEY, measurement, piecewise_object

pytestmark = pytest.mark.usefixtures("one_form")
SHAPE = (2, 9, 8)
CONFIG = loraks.Config(radius=1, threshold=0.05, lam=0.1, ridge=0.02, tolerance=0, n_iters=300)


def tiny(kind="columns", shape=SHAPE, seed=0):
    """k-space that falls off, complex64, with a mask of columns or of single samples, its centre measured."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.arange(n) - n // 2 for n in shape[1:])
    kspace = np.asarray(complex_normal(rng, shape)) * np.exp(-np.add.outer(rows**2, columns**2) / 6)
    mask = rng.random(shape[1:] if kind == "samples" else shape[2:]) < 0.5
    mask[..., np.abs(columns) < 2] = True
    return np.where(mask, kspace, 0).astype(np.complex64), mask


def structured_rows(kspace, mask, radius, phase):
    """The rows of S or C, written sample by sample as real numbers: [rows, (u, v)] for the filters u + i v."""
    _, ny, nx = kspace.shape
    measured = np.broadcast_to(mask, (ny, nx))
    offsets, rows = neighbourhood(radius), []
    whole = lambda y, x: radius <= y < ny - radius and radius <= x < nx - radius  # noqa: E731
    good = {
        (y, x): whole(y, x) and all(measured[y + i, x + j] for i, j in offsets) for y in range(ny) for x in range(nx)
    }
    patch = lambda y, x: np.concatenate([[coil[y + i, x + j] for i, j in offsets] for coil in kspace])  # noqa: E731
    for y in range(ny):
        for x in range(nx):
            other = (2 * (ny // 2) - y) % ny, (2 * (nx // 2) - x) % nx
            if not good[y, x] or (phase and not good[other]):
                continue
            # f * k at the sample, and the conjugate of f * k at its mirror image, for f = u + i v.
            here = np.concatenate([patch(y, x), 1j * patch(y, x)])
            if phase:
                there = patch(*other)
                here = here + np.conj(np.concatenate([there, 1j * there]))
            rows += [here.real, here.imag]
    return np.array(rows, np.float64)


def dense(config, kspace, mask):
    """Coil images of the dense normal equations in their real and imaginary parts, and the rows' singular values."""
    n_coils, ny, nx = kspace.shape
    offsets = neighbourhood(config.radius)
    _, values, right = np.linalg.svd(structured_rows(kspace, mask, config.radius, config.phase))
    values = np.concatenate([values, np.zeros(len(right) - len(values))])
    weights = 1 / (1 + (values / (config.threshold * values[0])) ** 4)
    half, pixels = n_coils * len(offsets), ny * nx
    rows, columns = np.arange(ny) - ny // 2, np.arange(nx) - nx // 2
    fourier_rows, fourier_columns = (np.exp(-2j * np.pi * np.outer(n, n) / len(n)) / len(n) ** 0.5
                                     for n in (rows, columns))  # fmt: skip
    fourier = np.kron(fourier_rows, fourier_columns)
    sampled = np.broadcast_to(mask, (ny, nx)).ravel()
    # The unknown is the k-space: filters wrap around at its edge.
    matrix = np.kron(np.eye(n_coils), np.diag(sampled.astype(complex)))
    normal = _real(matrix)
    b = np.where(mask, kspace, 0).ravel()
    mirror = [((2 * (ny // 2) - y) % ny) * nx + (2 * (nx // 2) - x) % nx for y in range(ny) for x in range(nx)]
    penalty = np.zeros((2 * n_coils * pixels,) * 2)
    for weight, vector in zip(weights, right, strict=True):
        f = (vector[:half] + 1j * vector[half:]).reshape(n_coils, len(offsets))
        convolve = np.zeros((pixels, n_coils, ny, nx), complex)
        for y in range(ny):
            for x in range(nx):
                for coefficients, (i, j) in zip(f.T, offsets, strict=True):
                    convolve[y * nx + x, :, (y + i) % ny, (x + j) % nx] += coefficients
        filtered = _real(convolve.reshape(pixels, -1))
        if config.phase:
            conjugated = np.concatenate([filtered[:pixels][mirror], -filtered[pixels:][mirror]])
            filtered = (filtered + conjugated) / 2
        penalty += weight * filtered.T @ filtered
    scale = 1 if config.phase else 2
    normal = normal + config.lam * (penalty / scale / len(offsets) + config.ridge * np.eye(len(penalty)))
    found = np.linalg.solve(normal, np.concatenate([b.real, b.imag]))
    found = (found[: len(b)] + 1j * found[len(b) :]).reshape(n_coils, pixels)
    return (found @ np.conj(fourier)).reshape(kspace.shape), values


def _real(matrix):
    return np.block([[matrix.real, -matrix.imag], [matrix.imag, matrix.real]])


@pytest.mark.parametrize("phase", [True, False])
@pytest.mark.parametrize("kind", ["columns", "samples"])
def test_the_minimiser_is_that_of_explicit_matrices(kind, phase):
    kspace, mask = tiny(kind)
    config = replace(CONFIG, phase=phase, threshold=0.3)
    expected, values = dense(config, kspace, mask)
    found = jax.jit(lambda kspace: loraks.coil_images(config, Measurement(kspace, mask, kspace)))(kspace)
    assert values[-1] < config.threshold * values[0] < values[1]
    assert relative_error(found.state, expected) < 1e-4


@pytest.mark.parametrize("phase", [True, False])
def test_the_penalty_is_symmetric_and_its_eigenvalues_are_those_of_weights(phase):
    kspace, mask = tiny(shape=(2, 12, 13))
    weights = null_space(gram(kspace, mask, 2, phase=phase), 0.05)
    values = np.linalg.eigvalsh(weights)
    assert values.min() > -1e-5
    assert values.max() < 1 + 1e-5
    penalty = annihilation(weights, kspace.shape, 2, phase=phase)
    x, y = (complex_normal(np.random.default_rng(seed), kspace.shape) for seed in (1, 2))
    assert_adjoint(penalty.normal, penalty.normal, x, y)
    size = np.real(np.vdot(x, penalty.normal(x))) / np.vdot(x, x).real
    assert 0 < size <= 1
    all_alike = annihilation(jnp.eye(len(weights)), kspace.shape, 2, phase=phase)
    assert relative_error(all_alike.normal(x), x) < 1e-5


def test_a_smooth_phase_is_a_constraint_of_the_matrix_s_alone():
    """Each filter of C is two of S, and S has more of them for an image with a smooth phase."""
    image = piecewise_object((32, 24))
    kspace = np.asarray(measurement(mask=np.ones(24, bool), n_coils=1, noise=0).kspace)
    assert np.ptp(np.angle(image[image != 0])) > 0.5
    small = []
    for phase in (True, False):
        values = np.linalg.eigvalsh(gram(kspace, np.ones(24, bool), 2, phase=phase))
        small.append(int(np.sum(values < 1e-3 * values[-1])))
    assert small[0] > small[1]


@pytest.mark.parametrize("phase", [True, False])
def test_the_gradient_in_float64_is_a_difference_quotient(phase):
    """Through data and calibration; C's eigenvalues come in equal pairs."""
    with float64():
        kspace, mask = tiny()
        kspace = kspace.astype(np.complex128)
        rng = np.random.default_rng(3)
        direction = np.where(mask, rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE), 0)
        config = replace(CONFIG, phase=phase)

        def loss(kspace):
            return jnp.sum(jnp.abs(loraks.coil_images(config, Measurement(kspace, mask, kspace)).state) ** 3)

        value = jax.jit(loss)
        step = 1e-5
        quotient = (value(kspace + step * direction) - value(kspace - step * direction)) / (2 * step)
        slope = np.real(np.sum(np.asarray(jax.jit(jax.grad(loss))(kspace)) * direction))
        assert abs(slope) > 1e-3
        np.testing.assert_allclose(slope, quotient, rtol=1e-6)


@pytest.mark.parametrize("values", [[1, 0.3, 0.01, 0.01, 0.01], [1, 1, 1, 0.002, 0.002], [1, 0.4, 0.02, 0.02001, 0]])
def test_the_projector_is_differentiable_at_equal_eigenvalues(values):
    with float64():
        rng = np.random.default_rng(0)
        turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
        matrix = turn @ np.diag(values) @ turn.T
        change = rng.normal(size=(5, 5))
        change = (change + change.T) / 2
        if values[1] == values[0]:
            # The largest eigenvalue alone has no derivative where it is not single.
            change -= turn[:, :3] @ (turn[:, :3].T @ change @ turn[:, :3]) @ turn[:, :3].T
        of = lambda matrix: null_space(matrix, 0.15)  # noqa: E731
        tangent = jax.jvp(of, (jnp.asarray(matrix),), (jnp.asarray(change),))[1]
        step = 1e-6
        quotient = (of(matrix + step * change) - of(matrix - step * change)) / (2 * step)
        assert relative_error(tangent, quotient) < 1e-6


def test_a_matrix_of_zeros_is_a_null_space_with_a_finite_derivative():
    weights, tangent = jax.jvp(lambda gram: null_space(gram, 0.1), (jnp.zeros((3, 3)),), (jnp.ones((3, 3)),))
    np.testing.assert_array_equal(weights, np.eye(3))
    assert np.all(np.isfinite(tangent))


@pytest.mark.parametrize("tolerance", [3e-4, 1e-2])
def test_the_estimated_error_is_not_far_below_the_distance_from_the_minimiser(tolerance):
    m = measurement((32, 24), 4)
    config = loraks.Config(radius=1, tolerance=tolerance)
    stages = stages_of(loraks.build(config))
    found = jax.jit(lambda kspace: stages.solve({}, (), m._replace(kspace=kspace), KEY))(m.kspace)
    exact = stages_of(loraks.build(replace(config, tolerance=0, n_iters=3000))).solve({}, (), m, KEY)
    assert 0 < found.error <= tolerance
    assert found.iterations < config.n_iters
    assert relative_error(found.image, exact.image) < 2 * found.error + 1e-6


def test_it_beats_zero_filling_and_the_phase_helps():
    mask = np.arange(24) % 3 == 0
    mask[7:18] = True
    m = measurement(noise=0.001, mask=mask)
    truth = np.abs(piecewise_object((32, 24)))
    errors = {}
    for name, config in {"S": loraks.Config(radius=1), "C": loraks.Config(radius=1, phase=False)}.items():
        image = np.asarray(loraks.build(config).apply({}, m, KEY))
        errors[name] = relative_error(image * np.vdot(image, truth) / np.vdot(image, image), truth)
    zero = np.sqrt(np.sum(np.abs(np.fft.ifft2(np.fft.ifftshift(m.kspace, axes=(1, 2)))) ** 2, axis=0))
    zero = np.fft.fftshift(zero)
    assert errors["S"] < errors["C"] < relative_error(zero * np.vdot(zero, truth) / np.vdot(zero, zero), truth)


def test_a_scan_without_a_centre_is_refused():
    mask = np.arange(24) % 3 == 0
    with pytest.raises(ValueError, match="radius of 2 needs a fully sampled centre of at least 5 x 5"):
        loraks.check_scan(loraks.Config(), (4, 32, 24), mask, {})
    mask[10:15] = True
    loraks.check_scan(loraks.Config(), (4, 32, 24), mask, {})
    assert np.sum(complete(mask, (32, 24), 2)) == 3 * 28


@pytest.mark.parametrize(
    ("settings", "problem"), [({"radius": 0}, "radius is 0"), ({"ridge": 0.0}, "ridge is 0; it must be at least 1e-06")]
)
def test_a_configuration_checks_itself(settings, problem):
    with pytest.raises(ValueError, match=problem):
        loraks.Config(**settings)
