"""The types that all layers share.

All signatures use these axis names: ``coil``, ``ny`` (rows: the readout, fully sampled) and ``nx`` (columns: the
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
    """The data of one slice that a reconstruction may use: k-space, or the sinogram of a parallel beam.

    A sinogram is told by its real numbers: `kspace` is then (1, detector, view) float32, `mask` (detector, view), and
    `maps` (1, size, size) float32, 1 in the field of view.  The views are spread evenly over 180 degrees.

    Attributes:
        kspace: (coil, ny, nx) complex64 centred orthonormal k-space, zero where not sampled.  It is divided by
            max|A^H y| (`jaxcs.recon.normalise`), so that lambda, step sizes and epsilon mean the same on every scanner
            [a.u.].
        mask: (nx,) for whole columns or (ny, nx) for single samples, True where measured.
        maps: (coil, ny, nx) complex64 coil sensitivity maps.  The sum over coils of |maps|^2 is 1 inside the object and
            0 outside.
    """

    kspace: Kspace
    mask: Mask
    maps: Maps


class SliceData(NamedTuple):
    """A slice to attack, divided by max|A^H y|; all fields are arrays, so that slices of one shape can be stacked.

    Attributes:
        kspace: (coil, ny, nx) whole k-space, before `mask` is applied; an under-sampled scan has 0 elsewhere.
        mask: (nx,) or (ny, nx), True where measured.
        maps: (coil, ny, nx) coil maps, as in `Measurement`.
        target: (ty, tx) true image, the root sum of squares of the coils as in fastMRI.
        data_range: maximum of the volume.
        noise: (coil, coil) lower triangular L; the covariance of the coils' thermal noise is L L^H, up to a factor.
        region: (ty, tx) True for the pixels that are scored and may be attacked alone, None for all.
    """

    kspace: Kspace
    mask: Mask
    maps: Maps
    target: Float[Array, "ty tx"]
    data_range: Float[Array, ""]
    noise: Complex[Array, "coil coil"]
    region: Bool[Array, "ty tx"] | None = None


class Solution(NamedTuple):
    """The image of a solver, and its distance from the image that the solver approaches.

    Attributes:
        image: (ny, nx).
        iterations: number of iterations taken; 0 for methods that do not iterate.
        error: estimated distance from the minimiser, relative to its norm [-]; NaN for methods that minimise nothing.
    """

    image: Array
    iterations: Int[Array, ""]
    error: Float[Array, ""]


class Follow(NamedTuple):
    """A reconstruction of data that change little by little; it continues from its state after the last data.

    Each call takes a few iterations.  If the data stay the same, image and gradient converge to the solution's.

    Attributes:
        first: measurement -> memory before the first reconstruction, a pytree.
        advance: (result of `Stages.prepare`, measurement, memory) -> (magnitude image, pull).  `pull` maps a gradient
            in the image to (gradient in k-space, memory), and continues from the last gradient.
    """

    first: Callable[[Measurement], Any]
    advance: Callable[[Any, Measurement, Any], tuple[Magnitude, Callable[[Magnitude], tuple[Kspace, Any]]]]


class Stages(NamedTuple):
    """A reconstruction in two stages.  All data with the same coil sensitivity maps and mask share the first stage.

    Attributes:
        prepare: (parameters, maps, mask) -> a pytree, such as factors of matrices.  It is not differentiated.
        solve: (parameters, result of `prepare`, measurement, key) -> the magnitude image and its distance from the
            solution.
        follow: mask -> `Follow`, or None if the method has nothing to remember with such a mask.
    """

    prepare: Callable[[Params, Maps, Mask], Any]
    solve: Callable[[Params, Any, Measurement, Key], Solution]
    follow: Callable[[Mask], Follow | None] = lambda mask: None


class Reconstructor(NamedTuple):
    """A reconstruction method as pure functions of one slice.

    Attributes:
        init: key -> parameters, {} if the method learns nothing.
        apply: (parameters, measurement, key) -> magnitude image (ny, nx), float32, in the units of the measurement.
        stages: the same method in two stages, or None if nothing can be prepared.
    """

    init: Callable[[Key], Params]
    apply: Callable[[Params, Measurement, Key], Magnitude]
    stages: Stages | None = None


class Prediction(NamedTuple):
    """A network's image of a measurement, and the coil images that the network implies.

    Attributes:
        image: (ny, nx) magnitude, float32, in the units of the measurement.
        coils: (coil, ny, nx) complex64 coil images, in the units of the measurement.  Their k-space is what the scanner
            would have measured everywhere according to the network.
    """

    image: Magnitude
    coils: Complex[Array, "coil ny nx"]


Predict = Callable[[Params, Measurement], Prediction]


class Variational(NamedTuple):
    """The objective that one reconstruction of one measurement minimises, for attacks on the objective itself.

    Attributes:
        first: the variable at the start of the method's solver, a pytree.
        objective: (variable, k-space) -> 1/2 sum |M (A(variable) - k-space)|^2 plus the regulariser, in the units of
            the measurement.
        coils: variable -> coil images (coil, ny, nx), in the units of the measurement.
    """

    first: Any
    objective: Callable[[Any, Kspace], Float[Array, ""]]
    coils: Callable[[Any], Complex[Array, "coil ny nx"]]


MakeVariational = Callable[[Measurement, Key], Variational]


class LinearOperator(Protocol):
    """A linear map and its adjoint in the real inner product Re<x, y>. Implementations are pytrees."""

    def forward(self, x: Array) -> Array:
        """Apply the operator."""
        ...

    def adjoint(self, y: Array) -> Array:
        """Apply the adjoint."""
        ...
