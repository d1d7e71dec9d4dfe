"""Decompositions of many small matrices, which must be taken in turn on a CPU.

XLA's CPU threads hand a batch of matrices to LAPACK, and wait for each other until it is done.  Two batches at once can
therefore wait for ever (seen with jaxlib 0.10.2 on two cores).  A single batch is not faster than its matrices in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_batching import sequential_vmap
from jaxtyping import Array


def in_turn(function: Callable[..., Any], matrices: Array, *shared: Array) -> Any:
    """Compute function(matrix, *shared) for each matrix along the first axis, one after another even under vmap.

    Args:
        function: the function of one matrix; it must not close over a traced array.
        matrices: (batch, ...) matrices.
        shared: further arguments, the same for all matrices.
    """
    return jax.lax.map(lambda matrix: sequential_vmap(function)(matrix, *shared), matrices)


def eigh(matrices: Array) -> tuple[Array, Array]:
    """Compute the eigenvalues and eigenvectors of Hermitian matrices (batch, n, n).

    Returns:
        Eigenvalues (batch, n), ascending, and eigenvectors (batch, n, n).
    """

    def of(matrix: Array) -> tuple[Array, Array]:
        values, vectors = jnp.linalg.eigh(matrix)
        return values, vectors

    values, vectors = jax.lax.platform_dependent(matrices, cpu=lambda each: in_turn(of, each), default=jax.vmap(of))
    return values, vectors
