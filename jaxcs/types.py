"""The types that every layer shares.

Axis names used in all signatures: ``coil``, ``ny`` (rows: the readout, fully sampled) and ``nx`` (columns: the
phase-encode direction, under-sampled).  One slice has no further axis; callers batch with ``jax.vmap``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Bool, Complex, Float, Int, PRNGKeyArray

Key = PRNGKeyArray
Params = Any
Image = Complex[Array, "ny nx"]
Magnitude = Float[Array, "ny nx"]
Kspace = Complex[Array, "coil ny nx"]
Maps = Complex[Array, "coil ny nx"]
Mask = Bool[Array, "nx"] | Bool[Array, "ny nx"]


class Measurement(NamedTuple):
    """What the scanner gives for one slice, and what a reconstruction may use.

    kspace: (coil, ny, nx) complex64, centred orthonormal k-space, zero where not sampled, divided by max|A^H y|
        (`jaxcs.recon.scale_of`), so that lambda, step sizes and epsilon mean the same on every scanner [a.u.].
    mask: (nx,) for whole columns or (ny, nx) for single samples, True where measured.
    maps: (coil, ny, nx) complex64 coil sensitivities with sum over coils of |maps|^2 = 1 inside the object, 0 outside.
    """

    kspace: Kspace
    mask: Mask
    maps: Maps


class SliceData(NamedTuple):
    """A slice that is attacked, divided by max|A^H y|; leaves only, so that slices of one shape stack.

    kspace: the whole k-space, before `mask` is applied; of a scan that was under-sampled its samples, and 0 elsewhere.
    mask: (nx,) or (ny, nx), True where measured.  maps: coil maps, as in `Measurement`.
    target: what an image should be, root sum of squares of the coils as in fastMRI.  data_range: its volume's maximum.
    noise: lower triangular L with the covariance L L^H of the coils' thermal noise, up to a factor.
    """

    kspace: Kspace
    mask: Mask
    maps: Maps
    target: Float[Array, "ty tx"]
    data_range: Float[Array, ""]
    noise: Complex[Array, "coil coil"]


class Solution(NamedTuple):
    """An image that a solver found, and its distance from the one that it looks for.

    image: (ny, nx).  iterations: how many were taken, 0 for what is not iterative.
    error: estimated distance from the minimiser relative to its norm [-]; NaN for what minimises nothing.
    """

    image: Array
    iterations: Int[Array, ""]
    error: Float[Array, ""]


class Follow(NamedTuple):
    """A reconstruction of data that change little by little, which goes on where it ended for the last ones.

    first: measurement -> what is remembered before anything has been reconstructed, a pytree.
    advance: what `Stages.prepare` gives, measurement, memory -> the magnitude image, and `pull`.
    pull: gradient in the image -> gradient in k-space, memory.  It goes on from the last gradient.
    A few iterations are taken each time, so that image and gradient are those of the solution if the data rest.
    """

    first: Callable[[Measurement], Any]
    advance: Callable[[Any, Measurement, Any], tuple[Magnitude, Callable[[Magnitude], tuple[Kspace, Any]]]]


class Stages(NamedTuple):
    """A reconstruction in two stages, of which the first is shared by all data with the same coil maps and mask.

    prepare: parameters, maps, mask -> a pytree, such as factors of matrices.  It is not differentiated.
    solve: parameters, that pytree, measurement, key -> the magnitude image, and how far it is from its solution.
    follow: mask -> `Follow`, or None if the method has nothing to remember with such a mask.
    """

    prepare: Callable[[Params, Maps, Mask], Any]
    solve: Callable[[Params, Any, Measurement, Key], Solution]
    follow: Callable[[Mask], Follow | None] = lambda mask: None


class Reconstructor(NamedTuple):
    """A reconstruction method as pure functions of one slice.

    init: key -> parameters ({} where nothing is learnt).
    apply: (parameters, measurement, key) -> magnitude image (ny, nx), float32, in the units of the measurement.
    stages: the same in two stages; None where nothing can be prepared.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Measurement, Key], Magnitude]
    stages: Stages | None = None


class Prediction(NamedTuple):
    """What a network makes of a measurement: the image, and what it implies of the coils.

    image: (ny, nx) magnitude, float32.  coils: (coil, ny, nx) complex64 coil images, whose k-space is what the network
        says that the scanner would have measured everywhere.  Both in the units of the measurement.
    """

    image: Magnitude
    coils: Complex[Array, "coil ny nx"]


Predict = Callable[[Params, Measurement], Prediction]


class Variational(NamedTuple):
    """The objective behind one reconstruction of one measurement, for attacks on the objective itself.

    first: the variable where the method's solver begins, a pytree.
    objective: (variable, k-space) -> 1/2 sum |M (A(variable) - k-space)|^2 plus the regulariser, in the measurement's
        units.
    coils: variable -> coil images (coil, ny, nx), in the measurement's units.
    """

    first: Any
    objective: Callable[[Any, Kspace], Float[Array, ""]]
    coils: Callable[[Any], Complex[Array, "coil ny nx"]]


MakeVariational = Callable[[Measurement, Key], Variational]


class LinearOperator(Protocol):
    """A linear map and its adjoint in the real inner product Re<x, y>.  Implementations are pytrees."""

    def forward(self, x: Array) -> Array:
        """Apply the operator."""
        ...

    def adjoint(self, y: Array) -> Array:
        """Apply the adjoint."""
        ...
