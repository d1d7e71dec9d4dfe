"""Iterative solvers as pure functions over callables."""

from jaxcs.solvers.cg import cg, largest_eigenvalue
from jaxcs.solvers.primal_dual import primal_dual
from jaxcs.solvers.proximal_gradient import fista, ista

__all__ = ["cg", "fista", "ista", "largest_eigenvalue", "primal_dual"]
