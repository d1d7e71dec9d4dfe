"""min_x 1/2 ||A x - y||^2 + g(x) for a mask of columns: splitting with the data term's exact proximal operator.

The gradient in the data is the gradient of the minimiser.  It solves the same problem with the cotangent as data, and
with g's proximal operator linearised at the solution.  The iteration and the inverse are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.fourier import centre_crop, centre_pad
from jaxcs.operators import Sense
from jaxcs.operators.row_inverse import RowInverse
from jaxcs.solvers.douglas_rachford import Prox, Split, douglas_rachford, take
from jaxcs.solvers.fixed_point import implicit
from jaxcs.solvers.settle import Settled
from jaxcs.types import Follow, Image, Kspace, Mask, Measurement, Solution

# Iterations from one perturbation of a search to the next perturbation.
_FOLLOW = 20
# The same with copies, which come to agree slowly when the data change.  On a phantom knee at epsilon 0.05, for l1 with
# 4 shifts, `scout` reaches 6.2 dB with 20 iterations and 4.4 dB with 60.
_FOLLOW_COPIES = 60


class Regulariser(NamedTuple):
    """The functions of g that the splitting needs.

    Attributes:
        prox: (v, dual) -> g's proximal operator and its dual variable, with the step 1 / weight of the inverse.
        linearised: the state at the solution -> the derivative of `prox` at this state, as a function like `prox`.
        dual: first z -> the first dual variable.
    """

    prox: Prox
    linearised: Callable[[Split], Prox]
    dual: Callable[[Array], Any]


class Memory(NamedTuple):
    """The states of the splitting and of its adjoint after the last data.

    Attributes:
        solution: z and dual variable of the splitting.
        adjoint: z and dual variable of the adjoint's splitting.
    """

    solution: tuple[Array, Any]
    adjoint: tuple[Array, Any]


class RowSplit(NamedTuple):
    """The problem except for its data.

    Attributes:
        regulariser: g.
        grid: (ny, nx) of the unknown.  The data do not see its margin around the image.
        seen: (sense, unknown) -> the part that has to settle, which is the image.
        copies: number of copies of the unknown.  If it is above 1, g is a mean of this many functions, each with its
            copy.  The variable of the splitting, on which `regulariser` acts, is then (copies, *grid).  The data term
            makes the copies equal and sees their mean (Boyd et al., Found. Trends Mach. Learn. 3:1, 2011, section 7.1:
            consensus).
    """

    regulariser: Regulariser
    grid: tuple[int, int]
    seen: Callable[[Sense, Array], Array]
    copies: int = 1

    def minimise(self, sense: Sense, kspace: Kspace, inverse: RowInverse, tolerance: float, n_iters: int) -> Solution:
        """Compute the minimiser on `grid`, with the gradient of the minimiser in coil maps and data.

        Args:
            sense: the measurement operator.
            kspace: (coil, ny, nx) k-space.
            inverse: inverse of each row of A^H A + weight.
            tolerance: estimated relative error at which the iteration stops, see `settle` [-].
            n_iters: largest number of iterations.
        """

        def settled(sense: Sense, inverse: RowInverse, b: Image, prox: Prox) -> Settled:
            z, dual = self._zeros(b)
            data = self._data(sense, inverse, b)

            def image_of(x: Array) -> Image:
                return self.seen(sense, self._mean(x))

            return douglas_rachford(data, prox, z, dual, tolerance, n_iters, image_of)

        def solve(theta: tuple[Sense, Image], inverse: RowInverse, start: None) -> Settled:
            del start
            return settled(theta[0], inverse, theta[1], self.regulariser.prox)

        def solve_adjoint(theta: tuple[Sense, Image], inverse: RowInverse, found: Settled, cotangent: Settled) -> Array:
            b, prox = self._adjoint_problem(theta[1], found.state, cotangent.state.x)
            return self._adjoint_solution(theta[1], settled(theta[0], inverse, b, prox).state.x)

        def descent(theta: tuple[Sense, Image], found: Settled) -> Image:
            """Minus the gradient of the data term, which says how the solution depends on maps and data."""
            sense, b = theta
            return b - sense.normal(centre_crop(self._mean(found.state.x), _shape(b)))

        found = implicit(solve, descent, solve_adjoint, (sense, sense.adjoint(kspace)), None, inverse)
        return Solution(self._mean(found.state.x), found.iterations, found.error)

    def first(self, measurement: Measurement) -> Memory:
        """Make the memory before the first reconstruction."""
        start = self._zeros(measurement.kspace[0])
        return Memory(start, start)

    def advance(
        self, inverse: RowInverse, measurement: Measurement, memory: Memory
    ) -> tuple[Image, Callable[[Image], tuple[Kspace, Memory]]]:
        """Take a few iterations for the solution, and the same number for the adjoint in `pull`; see `Follow`."""
        steps = _FOLLOW if self.copies == 1 else _FOLLOW_COPIES
        sense = Sense(measurement.maps, measurement.mask)
        b, to_kspace = jax.vjp(sense.adjoint, measurement.kspace)
        split = take(self._data(sense, inverse, b), self.regulariser.prox, *memory.solution, steps)
        image, to_unknown = jax.vjp(lambda x: centre_crop(self.seen(sense, self._mean(x)), _shape(b)), split.x)

        def pull(gradient: Image) -> tuple[Kspace, Memory]:
            adjoint_b, prox = self._adjoint_problem(b, split, to_unknown(gradient)[0])
            end = take(self._data(sense, inverse, adjoint_b), prox, *memory.adjoint, steps)
            (kspace,) = to_kspace(self._adjoint_solution(b, end.x))
            return kspace, Memory((split.z, split.dual), (end.z, end.dual))

        return image, pull

    def _zeros(self, like: Image) -> tuple[Array, Any]:
        z = jnp.zeros(self.grid if self.copies == 1 else (self.copies, *self.grid), like.dtype)
        return z, self.regulariser.dual(z)

    def _mean(self, x: Array) -> Array:
        """The unknown as the mean of its copies."""
        return x if self.copies == 1 else jnp.mean(x, axis=0)

    def _data(self, sense: Sense, inverse: RowInverse, b: Image) -> Callable[[Array], Array]:
        """The data term's proximal operator."""
        constant, shape = inverse.solve(sense, b), _shape(b)

        def data(z: Array) -> Array:
            z = self._mean(z)
            if self.grid == shape:
                return constant + inverse.shrink(z)
            inside = centre_crop(z, shape)
            return z + centre_pad(constant + inverse.shrink(inside) - inside, self.grid)

        return data

    def _adjoint_problem(self, b: Image, at: Split, cotangent: Array) -> tuple[Image, Prox]:
        """Data and proximal operator of the adjoint.  Cotangents are conjugated vectors, and 0 in the crop's margin."""
        if self.copies > 1:
            cotangent = jnp.sum(cotangent, axis=0)
        return jnp.conj(centre_crop(cotangent, _shape(b))), self.regulariser.linearised(at)

    def _adjoint_solution(self, b: Image, x: Array) -> Image:
        return jnp.conj(centre_crop(self._mean(x), _shape(b)))


def by_rows(solver: str, mask: Mask) -> bool:
    """Check whether the solver is "rows" and the mask is of columns, so that rows are separate."""
    return solver == "rows" and mask.ndim == 1


def following(split_of: Callable[[tuple[int, int]], RowSplit]) -> Follow:
    """Build the `Follow` of the problem of each shape (ny, nx); its images are complex."""

    def split(measurement: Measurement) -> RowSplit:
        return split_of(_shape(measurement.maps[0]))

    return Follow(
        lambda measurement: split(measurement).first(measurement),
        lambda inverse, measurement, memory: split(measurement).advance(inverse, measurement, memory),
    )


def _shape(b: Image) -> tuple[int, int]:
    return b.shape[-2], b.shape[-1]
