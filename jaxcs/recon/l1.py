"""l1-regularised reconstruction: compressed sensing MRI (Lustig et al., MRM 58:1182, 2007; here with coil maps).

The method is the "l1-minimization" of the paper (Darestani et al., ICML 2021, section 2.1), solved to a tolerance.  The
preset `rc2021` is the method that the paper's code ran instead.  The preset `early_stopped` is an iteration that stops
early, and so regularises a second time.

Wavelets on a fixed grid leave traces of the grid in the image.  With several shifts of the grid (cycle spinning:
Coifman & Donoho, Wavelets and Statistics, 1995) the problem stays convex.  Other programs draw one shift for each
iteration instead.  Their iteration has no minimiser; it is a stochastic method for the mean over all shifts (Kamilov,
Bostan & Unser, IEEE Signal Process. Lett. 19:187, 2012, who show it for shifts taken in turn).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.complex import magnitude
from jaxcs.fourier import centre_crop, centre_pad
from jaxcs.operators import DCT, CycleSpun, Fourier, Sense, Wavelet
from jaxcs.operators.cycle_spun import Frame, spread_shifts
from jaxcs.operators.row_coils import RowCoils, quickest
from jaxcs.operators.row_inverse import RowInverse, row_inverse
from jaxcs.operators.wavelet import filters
from jaxcs.prox import project_ball, soft_threshold
from jaxcs.recon import row_split
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.recon.method import Method, looser
from jaxcs.recon.staged import coils_by, staged
from jaxcs.solvers import fista, ista, pogm, primal_dual
from jaxcs.solvers.douglas_rachford import Prox, Split
from jaxcs.solvers.fixed_point import DIFFERENTIATE, Differentiate
from jaxcs.solvers.proximal_gradient import Solver
from jaxcs.types import (
    Follow,
    Image,
    Key,
    LinearOperator,
    MakeVariational,
    Maps,
    Mask,
    Measurement,
    Reconstructor,
    Solution,
    Variational,
)

SOLVERS: dict[str, Solver] = {"pogm": pogm, "fista": fista, "ista": ista}
Transform = CycleSpun | LinearOperator
Prepared = RowInverse | RowCoils | Sense


@dataclass(frozen=True)
class Config:
    """min_x 1/2 ||A x - y||^2 + lam ||Psi x||_1 with Psi orthogonal.  Several shifts have the mean of ||Psi S_s x||_1.

    Attributes:
        basis: the transform Psi.  "wavelet" is periodised.
        wavelet: the PyWavelets filter of the basis "wavelet".
        levels: levels of the wavelets.
        shifts: number of circular shifts S_s of the wavelets' grid, a power of 2, at most 4^levels; see
            `spread_shifts`.
        lam: regularisation weight, relative to max|A^H y|, which is 1 for a normalised measurement.
        solver: "rows" is a splitting with the exact inverse of each row.  "pogm", "fista" and "ista" are proximal
            gradient methods, for a single shift.  "primal_dual" is for several shifts, and keeps no inverse in memory.
            A mask of single samples has no separate rows: "rows" then means "pogm" for a single shift and "primal_dual"
            for several.
        tolerance: the solver stops at this estimated distance from the minimiser, relative to its norm [-].
        n_iters: largest number of iterations.
        step: step size of the proximal gradient methods, in units of 1 / ||A||^2.  ||A|| is at most 1 with normalised
            maps.
        differentiate: "implicit" gives the gradient of the minimiser.  "unroll" gives the gradient of the iterations,
            which are then n_iters for any tolerance.  "rows" and "primal_dual" support "implicit" only.
    """

    basis: Literal["wavelet", "fourier", "dct"] = "wavelet"
    wavelet: str = "db4"
    levels: int = 4
    shifts: int = 1
    lam: float = 0.002
    solver: Literal["rows", "primal_dual", "pogm", "fista", "ista"] = "rows"
    tolerance: float = 3e-4
    n_iters: int = 2000
    step: float = 1.0
    differentiate: Differentiate = "implicit"

    def __post_init__(self) -> None:
        check_choice("basis", self.basis, ("wavelet", "fourier", "dct"))
        check_choice("solver", self.solver, ("rows", "primal_dual", *SOLVERS))
        check_choice("differentiate", self.differentiate, DIFFERENTIATE)
        check_at_least("lam", self.lam, 0)
        check_at_least("levels", self.levels, 0)
        check_at_least("tolerance", self.tolerance, 0)
        check_at_least("n_iters", self.n_iters, 1)
        if not 0 < self.step < 2:
            raise ValueError(f"step {self.step:g} does not converge; it must lie between 0 and 2")
        if self.solver not in SOLVERS and self.differentiate == "unroll":
            raise ValueError(f"solver {self.solver} is not unrolled; set differentiate=implicit, or solver=fista")
        filters(self.wavelet)
        spread_shifts(self.shifts, self.levels)
        if self.shifts > 1 and self.basis != "wavelet":
            raise ValueError(f"shifts is {self.shifts}: basis {self.basis} has none; set basis=wavelet, or shifts=1")
        if self.shifts > 1 and self.solver in SOLVERS:
            raise ValueError(f"solver {self.solver} is for shifts=1; set solver=rows")
        if self.shifts == 1 and self.solver == "primal_dual":
            raise ValueError("solver primal_dual is for several shifts; set solver=pogm")


# The ICML 2021 code ran this under the name of l1 in its attack: 1000 iterations of plain gradient descent from 0.  The
# learning rate of 1e6 on the mean over 15 * 640 * 368 * 2 real entries is a step size of 0.283.  Its lambda of 1e-18
# moves no pixel by more than 1e-5 of the peak.  So the iteration is Landweber's, and early stopping regularises.
RC2021 = Config(lam=0.0, solver="ista", tolerance=0.0, step=0.283, n_iters=1000, differentiate="unroll")
# On phantoms 60 iterations of FISTA end 14 % short of the minimum, and hide most of the minimum's vulnerability.
EARLY_STOPPED = Config(solver="fista", tolerance=0.0, n_iters=60, differentiate="unroll")

PRESETS = {"rc2021": RC2021, "early_stopped": EARLY_STOPPED}
# The inverse's weight over lambda.  The splitting thresholds at lambda over the weight, and takes the fewest iterations
# if this threshold is in proportion to the image.  Iterations to 1e-3 of the minimum: clean phantoms and brains take 45
# to 110 at 5, 71 to 101 at 2, 140 to 200 at 1.  Attacked images, whose peak is 8 to 21, take over 300 at 5, 109 to 243
# at 2, 109 to 148 at 1.  An attack sees attacked images.  The least weight keeps the inverse within float32.
_WEIGHT, _LEAST_WEIGHT = 1.25, 5e-4
# The same for several shifts, whose images also have to agree.  With 4 shifts, to 3e-4 of the minimum, a clean phantom
# knee takes 980, 510, 400, 120, 100 and 160 iterations at 1.25, 2.5, 5, 10, 20 and 40; an attacked knee takes 220 at 10
# and 440 at 20.  Steps on the dual problem inside each iteration, as in TV, do not reduce the number of iterations, and
# each takes more work.
_WEIGHT_OF_SEVERAL = 10.0


def wavelet_grid(config: Config, shape: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Choose the wavelet levels for a matrix of `shape` (ny, nx), and a grid that these levels can halve.

    Returns:
        The levels, and (ny, nx) of the grid, padded if the levels cannot halve the matrix.
    """
    levels = min(config.levels, int(math.log2(min(shape))))
    block = 2**levels
    return levels, (-(-shape[0] // block) * block, -(-shape[1] // block) * block)


def sparsifying_transform(config: Config, shape: tuple[int, int]) -> tuple[Transform, tuple[int, int]]:
    """Choose Psi and its grid, which is `shape` (ny, nx) except for padded wavelets.

    Returns:
        The transform, which acts on an image for each shift, and (ny, nx) of its grid.
    """
    if config.basis == "wavelet":
        levels, grid = wavelet_grid(config, shape)
        wavelet = Wavelet(config.wavelet, levels)
        # A small matrix has fewer levels, and so fewer shifts.  The mean over all its shifts equals the mean over any
        # more.
        shifts = spread_shifts(min(config.shifts, 4**levels), levels)
        return (wavelet if len(shifts) == 1 else CycleSpun(wavelet, shifts)), grid
    return (Fourier() if config.basis == "fourier" else DCT()), shape


def weight_of(config: Config) -> float:
    """Compute the weight of the inverse that `prepare` makes, which is one over the splitting's step."""
    return max((_WEIGHT if config.shifts == 1 else _WEIGHT_OF_SEVERAL) * config.lam, _LEAST_WEIGHT)


def prepare(config: Config, maps: Maps, mask: Mask) -> Prepared:
    """Compute what depends on coil maps and mask alone: the inverse of each row, or a form of A^H A."""
    if row_split.by_rows(config.solver, mask):
        return row_inverse(maps, mask, weight_of(config))
    return quickest(Sense(maps, mask)) if config.shifts == 1 else Sense(maps, mask)


def solve(config: Config, measurement: Measurement, prepared: Prepared | None = None) -> Solution:
    """Compute the complex minimiser.

    If the levels cannot halve the matrix, x lives on a larger grid, whose margin the data do not see.  The problem
    stays convex with an exact prox, and the image is the crop.

    Args:
        config: choices of the method.
        measurement: the data.
        prepared: result of `prepare` for the same maps and mask; computed if None.

    Returns:
        The solution, whose image is (ny, nx) complex.
    """
    if prepared is None:
        prepared = prepare(config, measurement.maps, measurement.mask)
    a = Sense(measurement.maps, measurement.mask)
    shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
    psi, grid = sparsifying_transform(config, shape)
    if isinstance(prepared, RowInverse):
        split = _split(config, shape)
        found = split.minimise(a, measurement.kspace, prepared, config.tolerance, config.n_iters)
    elif isinstance(psi, CycleSpun):
        found = _primal_dual(config, a, measurement.kspace, Frame(psi), grid)
    else:
        found = _by_gradients(config, a, measurement.kspace, psi, grid, prepared)
    return found._replace(image=centre_crop(found.image, shape))


def follow(config: Config, mask: Mask) -> Follow | None:
    """Build `solve` for data that change little by little; None unless the solver is by rows."""
    return row_split.following(partial(_split, config)) if row_split.by_rows(config.solver, mask) else None


def _split(config: Config, shape: tuple[int, int]) -> row_split.RowSplit:
    psi, grid = sparsifying_transform(config, shape)
    regulariser = _regulariser(psi, config.lam / weight_of(config))
    return row_split.RowSplit(regulariser, grid, lambda sense, x: centre_crop(x, shape), _copies(psi))


def _copies(psi: Transform) -> int:
    return len(psi.shifts) if isinstance(psi, CycleSpun) else 1


def _regulariser(psi: Transform, threshold: float) -> row_split.Regulariser:
    def shrink(v: Array) -> Array:
        return psi.adjoint(soft_threshold(psi.forward(v), threshold)) if threshold else v

    def linearised(at: Split) -> Prox:
        # The derivative of a proximal operator is its own transpose.  Cotangents are conjugated vectors.
        transpose = jax.vjp(shrink, at.v)[1]
        return lambda v, dual: (jnp.conj(transpose(jnp.conj(v))[0]), dual)

    return row_split.Regulariser(lambda v, dual: (shrink(v), dual), linearised, lambda z: ())


def _by_gradients(
    config: Config,
    sense: Sense,
    kspace: Array,
    psi: LinearOperator,
    grid: tuple[int, int],
    normal: RowCoils | Sense,
) -> Solution:
    shape = (sense.maps.shape[-2], sense.maps.shape[-1])

    def gradient(theta: tuple[Sense | RowCoils, Array], x: Array) -> Array:
        a, b = theta
        return centre_pad(a.normal(centre_crop(x, shape)) - b, grid)

    def prox(theta: tuple[Sense | RowCoils, Array], z: Array, step: float | Array) -> Array:
        del theta
        if config.lam == 0:
            return z
        return psi.adjoint(soft_threshold(psi.forward(z), step * config.lam))

    b = sense.adjoint(kspace)
    return SOLVERS[config.solver if config.solver in SOLVERS else "pogm"](
        gradient,
        prox,
        (sense, b),
        jnp.zeros(grid, kspace.dtype),
        config.step,
        config.n_iters,
        config.tolerance,
        config.differentiate,
        prepared=(normal, b),
    )


# 1/tau - sigma = 1/2.  A and the frame have norms of at most 1.
_SIGMA = 0.1


def _primal_dual(config: Config, sense: Sense, kspace: Array, frame: Frame, grid: tuple[int, int]) -> Solution:
    """Solve for several shifts without an inverse.  The sum over shifts has no proximal operator in closed form."""
    shape = (sense.maps.shape[-2], sense.maps.shape[-1])
    bound = config.lam / math.sqrt(len(frame.images.shifts))
    return primal_dual(
        gradient=lambda theta, x: centre_pad(theta[0].normal(centre_crop(x, shape)) - theta[1], grid),
        conjugate_prox=lambda theta, u, sigma: project_ball(u[None], bound)[0],
        operator=frame,
        theta=(sense, sense.adjoint(kspace)),
        x0=jnp.zeros(grid, kspace.dtype),
        steps=(1 / (0.5 + _SIGMA), _SIGMA),
        tolerance=config.tolerance,
        n_iters=config.n_iters,
        image_of=lambda theta, x: centre_crop(x, shape),
    )


def objective(config: Config, measurement: Measurement, x: Image) -> Array:
    """Compute the value that `solve` minimises, at an image on the solver's grid (see `sparsifying_transform`)."""
    a = Sense(measurement.maps, measurement.mask)
    shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
    psi, _ = sparsifying_transform(config, shape)
    misfit = a.forward(centre_crop(x, shape)) - jnp.where(measurement.mask, measurement.kspace, 0)
    copies = _copies(psi)
    images = x if copies == 1 else jnp.broadcast_to(x, (copies, *x.shape))
    penalty = config.lam / copies * jnp.sum(magnitude(psi.forward(images)))
    return 0.5 * jnp.sum(magnitude(misfit) ** 2) + penalty


def without_inverse(config: Config) -> Config:
    """Return the same problem with a solver that keeps no inverse of each row in memory."""
    if config.solver != "rows":
        return config
    return replace(config, solver="pogm" if config.shifts == 1 else "primal_dual")


def build(config: Config) -> Reconstructor:
    """Build the method |x|, with x from `solve`."""
    return staged(partial(prepare, config), partial(solve, config), partial(follow, config))


def variational(config: Config) -> MakeVariational:
    """Build the objective of `solve` over images on the solver's grid, which begins at 0."""

    def of(measurement: Measurement, key: Key) -> Variational:
        del key
        shape = (measurement.maps.shape[-2], measurement.maps.shape[-1])
        _, grid = sparsifying_transform(config, shape)
        return Variational(
            first=jnp.zeros(grid, measurement.kspace.dtype),
            objective=lambda x, kspace: objective(config, measurement._replace(kspace=kspace), x),
            coils=lambda x: measurement.maps * centre_crop(x, shape),
        )

    return of


METHOD = Method(
    Config, build, PRESETS, searched=looser, without_inverse=without_inverse, variational=variational,
    coils=coils_by(solve),
)  # fmt: skip
