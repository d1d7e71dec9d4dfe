"""Both forms of the main functions, for accelerators and for CPUs, have equal values and gradients on this CPU."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcs.coils.espirit import EspiritConfig, espirit
from jaxcs.coils.pixel_power import Iteration, dominant
from jaxcs.complex import l2_norm
from jaxcs.fourier import fft2c, filtered, from_rows, ifft2c, inverse_fft, to_rows
from jaxcs.operators import Sense
from jaxcs.operators.row_coils import row_coils
from jaxcs.operators.row_inverse import row_inverse
from jaxcs.recon import l1, sense, tv
from tests.helpers.asserts import complex_normal, relative_error
from tests.jaxcs.test_recon import measurement

RNG = np.random.default_rng(11)
M = measurement((36, 24), 4, noise=0.01)
IMAGE, OTHER = complex_normal(RNG, (36, 24)), complex_normal(RNG, (4, 36, 24))
WINDOW = np.exp(-np.add.outer((np.arange(36) - 18) ** 2, (np.arange(24) - 12) ** 2) / 60)
SMOOTH = fft2c(M.maps * IMAGE) * jnp.asarray(WINDOW, jnp.float32)


@pytest.fixture
def other_form(monkeypatch):
    """Run a function as it is on a device other than a CPU."""

    def run(function, *arguments):
        def chosen(*arguments, default, **forms):
            assert "cpu" in forms
            return default(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(jax.lax, "platform_dependent", chosen)
            jax.clear_caches()
            found = jax.jit(lambda *arguments: function(*arguments))(*arguments)
        jax.clear_caches()
        return found

    return run


def maps_of(kspace, n_coils=4):
    return espirit(jnp.tile(kspace, (n_coils // 4, 1, 1)), (10, 10), EspiritConfig(kernel_width=4, crop=0.0))


def solved(module, **settings):
    config = replace(module.Config(), **settings)
    return lambda kspace: module.solve(config, M._replace(kspace=kspace)).image


FUNCTIONS = {
    "inverse transform": (lambda z: inverse_fft(z), OTHER),
    "inverse transform of an axis, orthonormal": (lambda z: inverse_fft(z, (-2,), "ortho"), OTHER),
    "image of k-space": (ifft2c, OTHER),
    "rows of k-space": (lambda z: from_rows(1j * to_rows(z, "kspace"), "kspace"), OTHER),
    "filter by samples": (lambda z: filtered(z, jnp.asarray(WINDOW > 0.5)), OTHER),
    "normal": (lambda x: Sense(M.maps, M.mask).normal(x), IMAGE),
    "normal in its maps": (lambda maps: Sense(maps, M.mask).normal(IMAGE), OTHER),
    "normal, virtual coils": (lambda x: row_coils(Sense(M.maps, M.mask)).normal(x), IMAGE),
    "inverse of rows": (lambda x: row_inverse(M.maps, M.mask, 0.01).shrink(x), IMAGE),
    "maps": (maps_of, SMOOTH),
    "maps of many coils": (lambda kspace: maps_of(kspace, 20), SMOOTH),
    "sense": (solved(sense), M.kspace),
    "l1": (solved(l1, levels=2, n_iters=40, tolerance=0.0), M.kspace),
    "l1, 2 shifts": (solved(l1, levels=2, shifts=2, n_iters=40, tolerance=0.0), M.kspace),
    "tv": (solved(tv, n_iters=40, tolerance=0.0), M.kspace),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_both_forms_have_the_same_values_and_gradients(name, other_form):
    function, x = FUNCTIONS[name]
    weights = complex_normal(np.random.default_rng(5), jax.eval_shape(function, x).shape)

    def both(x):
        found, pull = jax.vjp(function, x)
        return found, pull(weights)[0]

    # Inverses and eigenvectors multiply rounding errors by up to 2000, the condition of the matrices.
    tolerance = 1e-4 if name.startswith(("maps", "sense", "l1", "tv", "inverse of rows")) else 1e-6
    for one, other in zip(jax.jit(both)(x), other_form(both, x), strict=True):
        assert relative_error(other, one) < tolerance


def test_maps_that_are_not_differentiated_are_the_same(other_form):
    """Then the smaller of two matrices is decomposed: here of 49 rows instead of 64."""
    assert relative_error(other_form(maps_of, SMOOTH), maps_of(SMOOTH)) < 1e-4


def test_an_eigenvector_of_one_kernel_is_exact(other_form):
    """Both forms find the eigenvector that NumPy finds, whose gap is large enough for the iterations."""
    root = complex_normal(RNG, (3, 3))
    matrix = np.asarray(root @ jnp.conj(root.T))
    phases = np.ones((5, 1), np.complex64)
    columns = jnp.broadcast_to(jnp.asarray(matrix)[:, :, None, None], (3, 3, 1, 7))
    values, vectors = np.linalg.eigh(matrix)

    def search(columns):
        return dominant(columns, phases, jnp.ones(3, jnp.float32), Iteration(60, 0.5))

    for found, value in (jax.jit(search)(columns), other_form(search, columns)):
        np.testing.assert_allclose(value, np.full((5, 7), values[-1]), rtol=1e-5)
        cosine = np.abs(np.einsum("c,cyx->yx", vectors[:, -1].conj(), found))
        np.testing.assert_allclose(cosine, 1, atol=1e-6)
        np.testing.assert_allclose(jax.vmap(l2_norm)(jnp.moveaxis(found, 0, -1).reshape(-1, 3)), 1, rtol=1e-6)
