"""Iterative solvers as pure functions over callables."""

from jaxcs.solvers.cg import cg, largest_eigenvalue
from jaxcs.solvers.douglas_rachford import douglas_rachford
from jaxcs.solvers.hermitian import hermitian_solve
from jaxcs.solvers.primal_dual import chambolle_pock, primal_dual
from jaxcs.solvers.proximal_gradient import fista, ista, pogm

__all__ = [
    "cg", "chambolle_pock", "douglas_rachford", "fista", "hermitian_solve", "ista", "largest_eigenvalue", "pogm",
    "primal_dual",
]  # fmt: skip
