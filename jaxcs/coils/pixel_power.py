"""The eigenvector of the largest eigenvalue of a Hermitian matrix at each pixel, by power iteration with momentum.

Xu et al., Accelerated Stochastic Power Iteration, AISTATS 2018, here with an adapted interval.

The matrix at pixel r is a trigonometric polynomial of r.  It is evaluated one block of rows at a time.  A CPU needs
small blocks, which stay in a core's cache, and takes sums over an axis of coils.  A GPU needs few kernels: if each
coil's component is an array, an iteration is arithmetic of one pixel, and XLA makes one kernel of it.  Half of the
entries of a Hermitian matrix are then read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxcs.complex import abs2, safe_sqrt

_HIGHEST = jax.lax.Precision.HIGHEST
# Bytes of the matrices of one block of rows.  8 MiB was measured a third faster than 0.5 to 2 MiB on a CPU (15 coils of
# 640 x 368).
_BLOCK_BYTES = 2**23
# The same on accelerators.  The gradient keeps all iterations of a block, 8 times the memory of its matrices.
_LARGE_BLOCK_BYTES, _GRADIENT_BLOCK_BYTES = 2**27, 2**25
# The compiler's time for one kernel grows with the square of the number of coils.
_MOST_TOGETHER = 16

# (columns, start) -> eigenvectors (coil, ny, nx) and eigenvalues (ny, nx).
Search = Callable[[Array, Array], tuple[Array, Array]]
# (columns, start, phases of a block's rows) -> the same of the block.
_OfBlock = Callable[[Array, Array, Array], tuple[Array, Array]]


class Iteration(NamedTuple):
    """The power iteration.

    Attributes:
        n_iters: number of products of matrix and vector.
        momentum: share of the largest eigenvalue up to which eigenvalues are damped alike [-].
    """

    n_iters: int
    momentum: float


def dominant(
    columns: Complex[Array, "coil coil lag nx"],
    row_phases: Complex[np.ndarray, "ny lag"],
    start: Float[Array, "coil"],
    iteration: Iteration,
) -> tuple[Complex[Array, "coil ny nx"], Float[Array, "ny nx"]]:
    """Compute the dominant eigenvectors, differentiable in `columns` through the iterations.

    Args:
        columns: the matrix at (y, x) is the sum over lags of columns[:, :, lag, x] row_phases[y, lag].  It is Hermitian
            with eigenvalues of at least 0.
        row_phases: (ny, lag) phases.
        start: (coil,) the first vector.
        iteration: the power iteration.

    Returns:
        Unit eigenvectors (0 if the matrix is 0), and the norms of the last product, which are the eigenvalues.
    """
    along, by_coil = partial(_along_an_axis, iteration), partial(_coil_by_coil, iteration)
    on_cpu = partial(_by_blocks, along, row_phases, _BLOCK_BYTES)
    otherwise: Search = partial(_by_blocks, along, row_phases, _GRADIENT_BLOCK_BYTES)
    if columns.shape[0] <= _MOST_TOGETHER:
        otherwise = _differentiated_as(otherwise, partial(_by_blocks, by_coil, row_phases, _LARGE_BLOCK_BYTES))
    vectors, values = jax.lax.platform_dependent(columns, start, cpu=on_cpu, default=otherwise)
    return vectors, values


def _differentiated_as(slow: Search, quick: Search) -> Search:
    """`quick`, with the gradient of `slow`, whose kernels for the gradient are fewer and take less memory."""

    @jax.custom_vjp
    def search(columns: Array, start: Array) -> tuple[Array, Array]:
        return quick(columns, start)

    def backward(given: tuple[Array, Array], cotangent: tuple[Array, Array]) -> tuple[Array, Array]:
        of_columns, of_start = jax.vjp(slow, *given)[1](cotangent)
        return of_columns, of_start

    search.defvjp(lambda columns, start: (quick(columns, start), (columns, start)), backward)
    return search


def _by_blocks(
    of_block: _OfBlock, row_phases: np.ndarray, block_bytes: int, columns: Array, start: Array
) -> tuple[Array, Array]:
    (n_coils, _, n_lags, nx), ny = columns.shape, row_phases.shape[0]
    most = max(1, min(ny, block_bytes // (n_coils**2 * nx * columns.dtype.itemsize)))
    rows = -(-ny // -(-ny // most))  # blocks of nearly the same size waste few rows of the last block
    padded = np.pad(row_phases, ((0, -ny % rows), (0, 0))).reshape(-1, rows, n_lags)
    vectors, values = jax.lax.map(jax.checkpoint(partial(of_block, columns, start)), jnp.asarray(padded))
    return jnp.moveaxis(vectors, 1, 0).reshape(n_coils, -1, nx)[:, :ny], values.reshape(-1, nx)[:ny]


def _along_an_axis(iteration: Iteration, columns: Array, start: Array, phases: Array) -> tuple[Array, Array]:
    matrices = jnp.einsum("abix,yi->abyx", columns, phases, precision=_HIGHEST)
    first = jnp.broadcast_to(start[:, None, None], (start.shape[0], *matrices.shape[2:])).astype(matrices.dtype)

    def norm(v: Array) -> Array:
        return safe_sqrt(jnp.sum(abs2(v), axis=0))

    return _iterated(iteration, lambda v: jnp.sum(matrices * v, axis=1), norm, first)


def _coil_by_coil(iteration: Iteration, columns: Array, start: Array, phases: Array) -> tuple[Array, Array]:
    n_coils = start.shape[0]
    pairs = columns[np.tril_indices(n_coils)]
    # A product of matrices would write its result in another order of axes, and turn it afterwards.
    packed = _sum(phases[:, lag, None] * pairs[:, lag, None, :] for lag in range(phases.shape[1]))
    first = tuple(jnp.full(packed.shape[1:], one.astype(packed.dtype)) for one in start)

    def norm(v: tuple[Array, ...]) -> Array:
        return safe_sqrt(_sum(abs2(one) for one in v))

    vectors, values = _iterated(iteration, partial(_product, packed), norm, first)
    return jnp.stack(vectors), values


@jax.jit
def _product(packed: Array, v: tuple[Array, ...]) -> tuple[Array, ...]:
    """The Hermitian matrices, of which `packed` (pair, ny, nx) has the lower triangles row by row, times vectors."""

    def entry(a: int, b: int) -> Array:
        return packed[a * (a + 1) // 2 + b] if a >= b else jnp.conj(packed[b * (b + 1) // 2 + a])

    return tuple(_sum(entry(a, b) * one for b, one in enumerate(v)) for a in range(len(v)))


def _iterated(
    iteration: Iteration, product: Callable[[Any], Any], norm: Callable[[Any], Array], first: Any
) -> tuple[Any, Array]:
    """Iterate vectors that are an array or a tuple of arrays."""

    def iterate(last_two: tuple[Any, Any], _: None) -> tuple[tuple[Any, Any], None]:
        v, before = last_two
        moved = product(v)
        # Eigenvalues in [0, width] shrink alike.  The largest eigenvalue is above the interval, because |G v| never
        # exceeds it.
        width = iteration.momentum * norm(moved)
        following = jax.tree.map(lambda g, v, before: g - width / 2 * v - width**2 / 16 * before, moved, v, before)
        scale = _inverse(norm(following))
        return (_scaled(following, scale), _scaled(v, scale)), None

    begin = (_scaled(first, _inverse(norm(first))), jax.tree.map(jnp.zeros_like, first))
    (vectors, _), _ = jax.lax.scan(iterate, begin, None, length=iteration.n_iters - 1)
    moved = product(vectors)
    size = norm(moved)
    return _scaled(moved, _inverse(size)), size


def _sum(parts: Iterable[Array]) -> Array:
    return reduce(jnp.add, parts)


def _scaled(v: Any, scale: Array) -> Any:
    return jax.tree.map(lambda one: one * scale, v)


def _inverse(size: Array) -> Array:
    """1 / size, or 0 if the size is 0."""
    return jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1.0), 0.0)
