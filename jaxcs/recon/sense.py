"""Least-squares SENSE with Tikhonov regularisation (Pruessmann et al., MRM 46:638, 2001)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxcs.complex import l2_norm
from jaxcs.operators import Sense
from jaxcs.operators.matrices import eigh
from jaxcs.operators.row_inverse import RowInverse, row_inverse, row_matrices
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.recon.method import Method, by_solver
from jaxcs.recon.row_split import by_rows
from jaxcs.recon.staged import coils_by, staged
from jaxcs.solvers import cg, hermitian_solve
from jaxcs.types import Image, Kspace, Maps, Mask, Measurement, Reconstructor, Solution

Prepared = RowInverse | Sense


@dataclass(frozen=True)
class Config:
    """min_x 1/2 ||A x - y||^2 + lam / 2 ||x||^2.

    Attributes:
        lam: Tikhonov regularisation weight above 0, relative to ||A||^2 <= 1.
        solver: "rows" is the closed form, by the exact inverse of each row.  "cg" is conjugate gradients, which need no
            inverse in memory.  A mask of single samples has no separate rows: "rows" then means "cg".
        n_iters: iterations of conjugate gradients.
    """

    lam: float = 0.01
    solver: Literal["rows", "cg"] = "rows"
    n_iters: int = 200

    def __post_init__(self) -> None:
        check_choice("solver", self.solver, ("rows", "cg"))
        check_at_least("lam", self.lam, 1e-6)
        check_at_least("n_iters", self.n_iters, 1)


def prepare(config: Config, maps: Maps, mask: Mask) -> Prepared:
    """Compute what depends on coil maps and mask alone: the inverse of each row, or A itself."""
    return row_inverse(maps, mask, config.lam) if by_rows(config.solver, mask) else Sense(maps, mask)


def solve(config: Config, measurement: Measurement, prepared: Prepared | None = None) -> Solution:
    """Compute the complex image (A^H A + lam)^-1 A^H y, which is linear in the k-space.

    Args:
        config: choices of the method.
        measurement: the data.
        prepared: result of `prepare` for the same maps and mask; computed if None.

    Returns:
        The solution, whose image is (ny, nx) complex.  Its error is a bound: a residual r leaves an error of at most
        ||r|| / lam.
    """
    if prepared is None:
        prepared = prepare(config, measurement.maps, measurement.mask)
    a = Sense(measurement.maps, measurement.mask)
    b = a.adjoint(measurement.kspace)

    def normal(x: Image) -> Image:
        return a.normal(x) + config.lam * x

    if isinstance(prepared, RowInverse):
        x, iterations = hermitian_solve(normal, b, partial(prepared.solve, a)), 0
    else:
        x, iterations = cg(normal, b, config.n_iters), config.n_iters
    size = l2_norm(x)
    error = l2_norm(b - normal(x)) / config.lam / jnp.where(size > 0, size, 1.0)
    return Solution(x, jnp.int32(iterations), error)


class WorstCase(NamedTuple):
    """The perturbation of the data that moves the complex image most.

    Attributes:
        gain: () largest singular value of the map from measured data to image [-].
        kspace: (coil, ny, nx) perturbation of norm 1, on measured entries alone.
        image: (ny, nx) change of the image, with norm `gain`.
    """

    gain: Float[Array, ""]
    kspace: Kspace
    image: Complex[Array, "ny nx"]


def worst_case(config: Config, maps: Maps, mask: Mask) -> WorstCase:
    """Compute the exact worst case of SENSE for a mask of columns.

    The map is (A^H A + lam)^-1 A^H. A^H A acts on each row separately.  Let u be an eigenvector of a row's matrix with
    the eigenvalue h.  The data A u / sqrt(h) make the image u, enlarged by sqrt(h) / (h + lam).  The row and the
    eigenvalue of the largest gain are the worst case, which lies in one row of the image.

    Args:
        config: the method's configuration.
        maps: (coil, ny, nx) coil sensitivity maps.
        mask: (nx,) bool, True for measured columns.
    """
    values, vectors = eigh(row_matrices(maps, mask))
    values = jnp.maximum(values, 0)
    gains = jnp.sqrt(values) / (values + config.lam)
    row, column = jnp.unravel_index(jnp.argmax(gains), gains.shape)
    image = jnp.zeros(maps.shape[-2:], maps.dtype).at[row].set(vectors[row, :, column])
    kspace = Sense(maps, mask).forward(image)
    size = l2_norm(kspace)
    kspace = kspace / jnp.where(size > 0, size, 1.0)
    return WorstCase(gains[row, column], kspace, gains[row, column] * image)


def build(config: Config) -> Reconstructor:
    """Build the method |x|, with x from `solve`."""
    return staged(partial(prepare, config), partial(solve, config))


METHOD = Method(Config, build, {}, without_inverse=by_solver("cg"), coils=coils_by(solve))
