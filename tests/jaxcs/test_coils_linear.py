"""Coil compression and pre-whitening: matrices that act on the coil axis."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.coils.compress import compress, compression_matrix
from jaxcs.coils.whiten import estimate_covariance, whiten
from tests.helpers.asserts import assert_adjoint, complex_normal, relative_error

COILS, SHAPE = 6, (9, 7)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def low_rank(rng, rank):
    """K-space of COILS coils that are mixtures of `rank` signals."""
    return jnp.einsum("cr,ryx->cyx", complex_normal(rng, (COILS, rank)), complex_normal(rng, (rank, *SHAPE)))


def covariance_of(rng, n_coils):
    mixing = np.asarray(complex_normal(rng, (n_coils, n_coils)))
    return jnp.asarray(mixing @ mixing.conj().T + np.eye(n_coils, dtype=np.complex64))


# ---- compression ---------------------------------------------------------------------------------


@pytest.mark.parametrize("n_virtual", [1, 4, COILS])
def test_rows_of_the_matrix_are_orthonormal(rng, n_virtual):
    matrix = compression_matrix(complex_normal(rng, (COILS, *SHAPE)), n_virtual)
    assert matrix.shape == (n_virtual, COILS)
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(n_virtual), atol=2e-6)


def test_compress_is_linear_with_the_conjugate_transpose_as_adjoint(rng):
    matrix = compression_matrix(complex_normal(rng, (COILS, *SHAPE)), 4)
    x, y = complex_normal(rng, (COILS, *SHAPE)), complex_normal(rng, (4, *SHAPE))
    assert_adjoint(lambda v: compress(v, matrix), lambda v: compress(v, matrix.conj().T), x, y)


@pytest.mark.parametrize(("rank", "n_virtual"), [(3, 3), (COILS, COILS)])
def test_nothing_is_lost_where_the_coils_have_no_higher_rank(rng, rank, n_virtual):
    kspace = low_rank(rng, rank)
    matrix = compression_matrix(kspace, n_virtual)
    assert relative_error(compress(compress(kspace, matrix), matrix.conj().T), kspace) < 1e-5


def test_virtual_coils_are_sorted_and_keep_the_most_energy_possible(rng):
    kspace = complex_normal(rng, (COILS, *SHAPE)) * jnp.arange(1.0, COILS + 1)[:, None, None]
    virtual = compress(kspace, compression_matrix(kspace, 3))
    energy = np.sum(np.abs(virtual) ** 2, axis=(1, 2))
    gram = np.asarray(kspace, np.complex128).reshape(COILS, -1)
    np.testing.assert_allclose(energy, np.linalg.eigvalsh(gram @ gram.conj().T)[::-1][:3], rtol=1e-5)


def test_samples_that_were_not_measured_do_not_change_the_coils(rng):
    kspace = complex_normal(rng, (COILS, *SHAPE))
    masked = jnp.pad(kspace, ((0, 0), (4, 4), (3, 3)))
    one, other = (compression_matrix(k, 3) for k in (kspace, masked))
    np.testing.assert_allclose(one.conj().T @ one, other.conj().T @ other, atol=1e-5)  # rows have a free phase


def test_a_coil_of_zeros_gets_no_weight(rng):
    kspace = complex_normal(rng, (COILS, *SHAPE)).at[2].set(0)
    matrix = compression_matrix(kspace, COILS - 1)
    np.testing.assert_allclose(matrix[:, 2], 0, atol=1e-6)
    assert relative_error(compress(compress(kspace, matrix), matrix.conj().T), kspace) < 1e-5


def test_no_signal_at_all_still_gives_an_orthonormal_matrix():
    matrix = compression_matrix(jnp.zeros((COILS, *SHAPE), jnp.complex64), 3)
    np.testing.assert_allclose(matrix @ matrix.conj().T, np.eye(3), atol=1e-6)


def test_compression_under_jit_and_vmap(rng):
    batch = complex_normal(rng, (2, COILS, *SHAPE))
    matrices = jax.jit(jax.vmap(lambda k: compression_matrix(k, 2)))(batch)
    virtual = jax.jit(jax.vmap(compress))(batch, matrices)
    assert virtual.shape == (2, 2, *SHAPE)
    for i in range(2):
        expected = compress(batch[i], compression_matrix(batch[i], 2))
        np.testing.assert_allclose(np.abs(virtual[i]), np.abs(expected), atol=1e-4)


@pytest.mark.parametrize(("shape", "n_virtual"), [((4, 5, 5), 5), ((4, 5, 5), 0), ((4, 1, 3), 4)])
def test_impossible_number_of_virtual_coils(shape, n_virtual):
    with pytest.raises(ValueError, match=rf"^compression_matrix: {n_virtual} virtual coils from 4 coils .*$"):
        compression_matrix(jnp.ones(shape), n_virtual)


@pytest.mark.parametrize("shape", [(3, 5), (4,)])
def test_matrix_of_other_coils(shape):
    with pytest.raises(ValueError, match=r"^compress: matrix is .* the coils do not agree$"):
        compress(jnp.ones((4, 3, 3)), jnp.ones(shape))


# ---- whitening -----------------------------------------------------------------------------------


def test_whitened_noise_has_the_identity_for_its_covariance(rng):
    covariance = covariance_of(rng, COILS)
    noise = np.linalg.cholesky(covariance) @ np.asarray(complex_normal(rng, (COILS, 40_000))) / np.sqrt(2)
    before, after = estimate_covariance(noise), estimate_covariance(whiten(noise, covariance))
    assert relative_error(before, covariance) < 0.02
    np.testing.assert_allclose(after, np.eye(COILS), atol=0.03)  # 6 standard deviations of 40 000 samples


def test_whitening_with_the_sample_covariance_is_exact(rng):
    noise = jnp.einsum("ij,jyx->iyx", complex_normal(rng, (COILS, COILS)), complex_normal(rng, (COILS, *SHAPE)))
    white = whiten(noise, estimate_covariance(noise))
    np.testing.assert_allclose(estimate_covariance(white), np.eye(COILS), atol=2e-4)


def test_estimated_covariance_is_that_of_numpy(rng):
    noise = np.asarray(complex_normal(rng, (COILS, *SHAPE)), np.complex128)
    centred = noise - noise.mean(axis=(1, 2), keepdims=True)
    expected = np.cov(centred.reshape(COILS, -1), bias=True)
    np.testing.assert_allclose(estimate_covariance(jnp.asarray(centred, jnp.complex64)), expected, atol=1e-5)


def test_whiten_is_linear_and_its_transpose_is_its_adjoint(rng):
    covariance = covariance_of(rng, COILS)
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    x, y = complex_normal(rng, (2, COILS, *SHAPE))

    def adjoint(v):
        return jnp.einsum("ji,jyx->iyx", inverse.conj(), v)

    assert_adjoint(lambda v: whiten(v, covariance), adjoint, x, y)


def test_identity_covariance_changes_nothing(rng):
    data = complex_normal(rng, (COILS, *SHAPE))
    np.testing.assert_array_equal(whiten(data, jnp.eye(COILS)), data)


def test_whitening_maps_and_kspace_keeps_the_encoding(rng):
    covariance = covariance_of(rng, COILS)
    maps, image = complex_normal(rng, (COILS, *SHAPE)), complex_normal(rng, SHAPE)
    assert relative_error(whiten(maps, covariance) * image, whiten(maps * image, covariance)) < 1e-5


def singular_covariances():
    mixing = np.random.default_rng(0).normal(size=(4, 3))
    dead = np.diag([1.0, 0.0, 2.0, 3.0])
    twins = np.diag([1.0, 2.0, 3.0, 1.0])
    twins[0, 3] = twins[3, 0] = 1.0
    return {"dead": dead, "twins": twins, "rank 3": mixing @ mixing.T, "indefinite": np.diag([1.0, -1.0, 1.0, 1.0])}


@pytest.mark.parametrize("kind", ["dead", "twins", "rank 3", "indefinite"])
@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e8])
def test_singular_covariance_gives_nan_everywhere(rng, kind, scale):
    covariance = jnp.asarray(scale * singular_covariances()[kind], jnp.complex64)
    assert np.isnan(whiten(complex_normal(rng, (4, *SHAPE)), covariance)).all()


@pytest.mark.parametrize("variances", [[1e-10, 1.0, 1e6, 1.0], [1e-20, 1e-20, 1e-20, 1e-20]])
def test_a_covariance_with_coils_of_very_different_scale_is_not_singular(rng, variances):
    data = complex_normal(rng, (4, *SHAPE))
    white = whiten(data, jnp.diag(jnp.asarray(variances, jnp.float32)))
    assert relative_error(white, data / np.sqrt(variances)[:, None, None]) < 1e-5


def test_whitening_under_jit_and_vmap(rng):
    data = complex_normal(rng, (2, COILS, *SHAPE))
    covariances = jnp.stack([covariance_of(rng, COILS), jnp.zeros((COILS, COILS), jnp.complex64)])
    white = jax.jit(jax.vmap(whiten))(data, covariances)
    assert relative_error(white[0], whiten(data[0], covariances[0])) < 1e-5
    assert np.isnan(white[1]).all()


@pytest.mark.parametrize("shape", [(3, 3), (4,), (4, 5)])
def test_covariance_of_other_coils(shape):
    with pytest.raises(ValueError, match=r"^whiten: covariance is .* the coils do not agree$"):
        whiten(jnp.ones((4, 3, 3)), jnp.ones(shape))
