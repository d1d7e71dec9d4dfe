import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import pywt
import scipy.fft
from jax.test_util import check_grads

from jaxcs.operators import DCT, FiniteDifference, Fourier, Sense, Wavelet
from jaxcs.operators.finite_difference import NORM_SQUARED
from jaxcs.operators.wavelet import usable_levels
from tests.helpers.asserts import complex_normal, relative_error

# At least 200 drawn cases for each operator: 50 for each of its sizes, odd, even and prime.
DRAWS = 50
SHAPES = [(8, 8), (7, 9), (6, 11), (31, 37)]
COILS = [1, 5, 32, 2]
WAVELETS = ["haar", "db2", "db4", "sym5", "coif1"]
WAVELET_CASES = [((16, 8), 3), ((6, 10), 1), ((4, 12), 2), ((10, 6), 1), ((2, 4), 1)]


def draws(seed, shape, n=DRAWS):
    return np.asarray(complex_normal(np.random.default_rng(seed), (n, *shape)))


def drawn_sense(seed, n_coils, shape, mask_ndim):
    """A batch of normalised maps and masks; the first mask is empty, the second full."""
    maps = draws(seed, (n_coils, *shape))
    maps = maps / np.linalg.norm(maps, axis=1, keepdims=True)
    masks = np.random.default_rng(seed).random((DRAWS, *shape[2 - mask_ndim :])) < 0.4
    masks[0], masks[1] = False, True
    return Sense(maps, masks)


@jax.jit
@partial(jax.vmap, in_axes=(0, 0, 0))
def forward_and_errors(operator, x, y):
    """Compute A x, and relative errors of Re<A x, y> = Re<x, A^H y>, of autodiff's transpose of A, and of A^H A."""
    ax, transpose = jax.vjp(operator.forward, x)
    ahy, ahax = operator.adjoint(y), operator.adjoint(ax)
    norm = jnp.linalg.norm
    relative = lambda a, b: norm(a - b) / (norm(b) + 1e-30)  # noqa: E731
    scale = jnp.maximum(norm(ax) * norm(y), norm(x) * norm(ahy)) + 1e-30
    mismatch = jnp.sum(jnp.real(jnp.conj(ax) * y)) - jnp.sum(jnp.real(jnp.conj(x) * ahy))
    errors = {"dot": jnp.abs(mismatch) / scale, "transpose": relative(jnp.conj(transpose(jnp.conj(y))[0]), ahy)}
    if isinstance(operator, Sense):
        errors["normal"] = relative(operator.normal(x), ahax)
        errors["full mask"] = jnp.where(jnp.all(operator.mask), relative(ahax, x), 0)
    return ax, errors


def checked_forward(operator, x, y):
    ax, errors = forward_and_errors(operator, x, y)
    for name, error in errors.items():
        assert error.shape == (DRAWS,)
        assert np.max(error) < 1e-5, name
    return np.asarray(ax)


@pytest.mark.parametrize("operator", [DCT(), Fourier(), FiniteDifference()], ids=lambda op: type(op).__name__)
def test_adjoint_of_transforms(operator):
    for index, shape in enumerate(SHAPES):
        stacked = (2, *shape) if isinstance(operator, FiniteDifference) else shape
        checked_forward(operator, draws(index, shape), draws(100 + index, stacked))


@pytest.mark.parametrize("mask_ndim", [1, 2])
def test_adjoint_and_normal_of_sense(mask_ndim):
    """The test also vmaps over maps and masks, and passes an operator through jit, both as pytrees."""
    for index, (n_coils, shape) in enumerate(zip(COILS, SHAPES, strict=True)):
        batch = drawn_sense(index, n_coils, shape, mask_ndim)
        checked_forward(batch, draws(200 + index, shape), draws(100 + index, (n_coils, *shape)))
        assert not np.any(batch.mask[0])
        assert np.all(batch.mask[1])
        assert 0 < np.mean(batch.mask[2:]) < 1


def test_sense_is_mask_times_fourier_times_maps():
    a = jax.tree.map(lambda leaf: leaf[2], drawn_sense(0, 3, (6, 5), 1))
    x = draws(1, (6, 5), 1)[0]
    dft = [np.exp(-2j * np.pi * np.outer(k := np.arange(n) - n // 2, k) / n) / np.sqrt(n) for n in (6, 5)]
    expected = np.asarray(a.mask) * np.stack([dft[0] @ coil @ dft[1].T for coil in np.asarray(a.maps * x)])
    assert relative_error(a.forward(x), expected) < 1e-5
    both = [Sense(a.maps, mask) for mask in (a.mask, jnp.broadcast_to(a.mask, (6, 5)))]
    np.testing.assert_allclose(both[0].forward(x), both[1].forward(x), atol=1e-6)
    np.testing.assert_allclose(both[0].normal(x), both[1].normal(x), atol=1e-6)


@pytest.mark.parametrize(("ny", "rows"), [(11, 4), (8, 4), (5, 3)])
def test_blocks_of_rows_change_neither_the_normal_operator_nor_its_gradients(ny, rows, monkeypatch):
    n_coils, nx = 3, 6
    monkeypatch.setattr("jaxcs.operators.sense._BLOCK_BYTES", rows * n_coils * nx * 8)
    for mask_ndim in (1, 2) if ny == 11 else (1,):
        batch = drawn_sense(ny, n_coils, (ny, nx), mask_ndim)
        a, x, c = Sense(batch.maps[2], batch.mask[2]), *draws(1, (ny, nx), 2)

        def loss(normal, x, maps, a=a, c=c):
            image = normal(Sense(maps, a.mask), x)
            return jnp.sum(jnp.real(image * c) + jnp.abs(image) ** 2)

        evaluate = jax.jit(jax.value_and_grad(loss, argnums=(1, 2)), static_argnums=0)
        fast = evaluate(lambda a, x: a.normal(x), x, a.maps)
        plain = evaluate(lambda a, x: a.adjoint(a.forward(x)), x, a.maps)
        for left, right in zip(jax.tree.leaves(fast), jax.tree.leaves(plain), strict=True):
            assert relative_error(left, right) < 1e-5
    if ny == 5:
        check = jax.jit(lambda x, maps: Sense(maps, a.mask).normal(x))
        check_grads(check, (x, a.maps), order=1, modes=("fwd", "rev"), atol=2e-2, rtol=2e-2, eps=1e-2)


def test_a_mask_of_another_size_is_refused():
    maps = jnp.ones((2, 6, 5), jnp.complex64)
    for shape in [(6,), (4,), (5, 6), (6, 4)]:
        with pytest.raises(ValueError, match=r"maps are \(2, 6, 5\), mask is .* must be \(nx,\) or \(ny, nx\)"):
            Sense(maps, jnp.ones(shape, bool))


def test_wavelets_equal_pywavelets_and_are_isometries():
    for index, (name, (shape, levels)) in enumerate(zip(WAVELETS, WAVELET_CASES, strict=True)):
        x = draws(index, shape)
        coefficients = checked_forward(Wavelet(name, levels), x, draws(100 + index, shape))
        for image, found in zip(x[:5].astype(np.complex128), coefficients, strict=False):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Level value")  # PyWavelets advises against short signals
                bands = pywt.wavedec2(image, name, "periodization", levels)
            assert relative_error(found, pywt.coeffs_to_array(bands)[0]) < 1e-6
        np.testing.assert_allclose(np.sum(np.abs(coefficients) ** 2), np.sum(np.abs(x) ** 2), rtol=1e-5)
    real = Wavelet("haar", 1).forward(jnp.ones((2, 2)))
    assert real.dtype == jnp.float32
    np.testing.assert_allclose(real, [[2, 0], [0, 0]], atol=1e-6)


def test_wavelets_are_differentiated_by_their_transpose():
    wavelet = Wavelet("db2", 1)
    x, v, w = draws(3, (4, 6), 3)
    for there, back in ((wavelet.forward, wavelet.adjoint), (wavelet.adjoint, wavelet.forward)):
        value, tangent = jax.jvp(there, (x,), (v,))
        assert relative_error(value, there(x)) < 1e-6
        assert relative_error(tangent, there(v)) < 1e-6
        assert relative_error(jnp.conj(jax.vjp(there, x)[1](jnp.conj(w))[0]), back(w)) < 1e-6
        batch = jnp.stack([x, v, w])
        mapped = jax.vmap(jax.grad(lambda x, there=there: jnp.sum(jnp.abs(there(x) - w) ** 2)))(batch)
        assert relative_error(jnp.conj(mapped), 2 * (batch - back(w))) < 1e-5


def test_usable_levels():
    cases = [((640, 368), 4), ((320, 320), 5), ((31, 32), 0), ((12, 8), 2), ((1, 1), 0)]
    assert [usable_levels(shape, 5) for shape, _ in cases] == [4, 5, 0, 2, 0]
    assert usable_levels((640, 368), 3) == 3
    np.testing.assert_array_equal(Wavelet("db4", 0).forward(np.eye(3)), np.eye(3))


@pytest.mark.parametrize("name", ["bior2.2", "dmey", "rbio1.3", "no such wavelet", "morl"])
def test_wavelets_that_are_not_orthogonal_are_refused(name):
    with pytest.raises(ValueError, match=f"wavelet '{name}'"):
        Wavelet(name, 1).forward(jnp.ones((8, 8)))


@pytest.mark.parametrize(("shape", "levels"), [((7, 8), 1), ((8, 7), 1), ((12, 8), 3)])
def test_sides_that_cannot_be_halved_are_refused(shape, levels):
    for apply in (Wavelet("haar", levels).forward, Wavelet("haar", levels).adjoint):
        with pytest.raises(ValueError, match=f"{levels} levels need sides divisible by {2**levels}"):
            apply(jnp.ones(shape))


@pytest.mark.parametrize("shape", [(8, 12), (7, 5), (1, 9), (31, 37)])
def test_dct_equals_scipy(shape):
    x = draws(5, shape, 3)
    exact = np.asarray(x, np.complex128)
    dctn = partial(scipy.fft.dctn, norm="ortho", axes=(-2, -1))
    assert relative_error(DCT().forward(x), dctn(exact.real) + 1j * dctn(exact.imag)) < 1e-6
    assert relative_error(DCT().forward(x.real), dctn(exact.real)) < 1e-6
    assert relative_error(DCT().adjoint(DCT().forward(x)), x) < 1e-6


def test_finite_differences():
    x = draws(6, (5, 7), 1)[0]
    down, right = FiniteDifference().forward(x)
    np.testing.assert_array_equal(down[:-1], np.diff(x, axis=0))
    np.testing.assert_array_equal(right[:, :-1], np.diff(x, axis=1))
    assert not np.any(down[-1])
    assert not np.any(right[:, -1])
    dense = np.asarray(jax.vmap(FiniteDifference().forward)(jnp.eye(64).reshape(64, 8, 8))).reshape(64, -1)
    assert 0.9 * NORM_SQUARED < np.linalg.norm(dense, 2) ** 2 < NORM_SQUARED
