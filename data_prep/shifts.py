"""Shifts of the distribution of scans: the same object, scanned in another way or with another appearance.

Each shift is a function of a fully sampled `Case` and a size.  It is not an attack: nothing is searched for.  Random
numbers come from RandomState, seeded by the case's name.  A case is therefore shifted alike in every run and for every
method.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from data_prep.cases import Box, Case, InputError
from data_prep.fourier import forward, inverse, root_sum_of_squares
from data_prep.names import checksum
from jaxcs.coils.background import has_background, noise_covariance
from jaxcs.fourier import centre_slice, fft2c, ifft2c, image_slice
from jaxcs.threats.changes import rotate

# Relative rounding error of single precision.
_ROUNDING = 1e-6
# Number of groups of neighbouring columns between which the object moves.  It is odd, so that the centre of k-space is
# in the middle of a group.
_GROUPS = 9

Apply = Callable[[Case, float, np.random.RandomState, Sequence[Case]], Case]


class Shift(NamedTuple):
    """A distribution shift.

    Attributes:
        unit: unit of its size, in words.
        least: smallest size.
        most: largest size.
        apply: (case, size, random numbers, slices) -> shifted case.  The slices are the case before any shift and the
            slices about it.
        odd: whether the size must be an odd number.
    """

    unit: str
    least: float
    most: float
    apply: Apply
    odd: bool = False


def shifted(case: Case, shifts: Sequence[tuple[str, float]], neighbours: Sequence[Case] = ()) -> Case:
    """Apply shifts to a case, one after another.

    Args:
        case: a fully sampled case.
        shifts: name and size of each shift.
        neighbours: neighbouring slices of the volume, as far as `reach` says.

    Returns:
        The shifted case.

    Raises:
        InputError: If the case cannot be shifted.
        ValueError: If a name is unknown, or a size is not allowed.
    """
    if case.mask is not None:
        raise InputError(f"{case.name}: is already under-sampled, so that its scan cannot be shifted")
    slices = (case, *neighbours)
    for name, size in shifts:
        check(name, size)
        seed = [checksum(name), checksum(case.name)]
        case = SHIFTS[name].apply(case, size, np.random.RandomState(seed), slices)
    return case


def check(name: str, size: float) -> None:
    """Raise ValueError if the name of a shift is unknown, or its size is not allowed."""
    if name not in SHIFTS:
        raise ValueError(f"unknown shift {name!r}, choose from {', '.join(SHIFTS)}")
    shift = SHIFTS[name]
    if not shift.least <= size <= shift.most:
        raise ValueError(f"{name} is {size:g}, must lie in {shift.least:g} to {shift.most:g}, {shift.unit}")
    if shift.odd and size % 2 != 1:
        raise ValueError(f"{name} is {size:g}, must be an odd number, {shift.unit}")


def reach(shifts: Sequence[tuple[str, float]]) -> int:
    """Give the number of slices on either side of a case that its shifted case depends on."""
    return max((int(size) // 2 for name, size in shifts if SHIFTS[name].odd), default=0)


def shape_after(shifts: Sequence[tuple[str, float]], shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Give (coil, ny, nx) of k-space after the shifts."""
    for name, size in shifts:
        if name == "resolution":
            shape = (shape[0], _kept(shape[1], size), _kept(shape[2], size))
    return shape


def _noise(case: Case, factor: float, rng: np.random.RandomState, slices: Sequence[Case]) -> Case:
    """Multiply the standard deviation of the scan's own noise by `factor`, by adding complex Gaussian noise.

    The covariance is estimated from the background (`jaxcs.coils.background`) of the original scan, because a change of
    contrast changes the background, but not the noise.  The target stays.
    """
    if factor == 1:
        return case
    # Divided by the maximum, because the squares of raw values of 1e-25 would vanish in float32.
    scan = slices[0]
    largest = np.abs(scan.kspace).max()
    kspace = jnp.asarray(scan.kspace / largest)
    estimated = noise_covariance(kspace, scan.padding)
    if not has_background(estimated, kspace, scan.padding):
        raise InputError(f"{case.name}: no background to measure noise in, that could be multiplied; leave noise out")
    covariance = np.asarray(estimated, np.complex128)
    level = np.trace(covariance).real / len(covariance)
    # A noise-free background still holds the rounding error of the transforms.
    if not level > _ROUNDING**2 * np.mean(np.abs(scan.kspace / largest) ** 2):
        raise InputError(f"{case.name}: its background holds no noise that could be multiplied")
    # A dead coil has no noise; a small share of the mean keeps the Cholesky factor finite.
    root = np.linalg.cholesky(covariance + 1e-9 * level * np.eye(len(covariance)))
    real, imaginary = rng.normal(size=(2, len(covariance), case.kspace[0].size))
    # A smaller matrix has weaker samples of the same object, and the noise is scaled alike.
    smaller = case.kspace[0].size / scan.kspace[0].size
    added = (root @ (real + 1j * imaginary)).reshape(case.kspace.shape)
    added *= np.sqrt((factor**2 - 1) / 2 * smaller) * largest
    return case._replace(kspace=_acquired(case.kspace + added, case.padding))


def _resolution(case: Case, share: float, rng: np.random.RandomState, slices: Sequence[Case]) -> Case:
    """Keep the central `share` of k-space's rows and columns, as a scanner with larger pixels does; recompute the
    target.

    The field of view stays.  Maps of the source belong to another matrix, and are dropped to be estimated anew.
    """
    if share == 1:
        return case
    before = case.kspace.shape[-2:]
    after = tuple(_kept(size, share) for size in before)
    rows, columns = (centre_slice(size, width) for size, width in zip(before, after, strict=True))
    factors = [width / size for size, width in zip(before, after, strict=True)]
    # An orthonormal transform of fewer samples would make the same object brighter.
    kspace = case.kspace[:, rows, columns] * np.float32(np.sqrt(factors[0] * factors[1]))
    left, right = (min(max(edge - columns.start, 0), after[1]) for edge in case.padding)
    target = tuple(max(1, round(size * factor)) for size, factor in zip(case.target.shape, factors, strict=True))
    boxes = tuple(_scaled(box, *factors) for box in case.boxes)
    changed = case._replace(kspace=kspace, padding=(left, right), maps=None, boxes=boxes)
    return _with_target(changed, case, (target[0], target[1]))


def _contrast(case: Case, gamma: float, rng: np.random.RandomState, slices: Sequence[Case]) -> Case:
    """Multiply coil images by (m / max)^(gamma - 1), m their root sum of squares, max the volume's; recompute the
    target.

    All coils have the same factor, so that the object changes and the sensitivities stay.
    """
    if gamma == 1:
        return case
    images = inverse(case.kspace.astype(np.complex128))
    combined = np.linalg.norm(images, axis=0)
    largest = float(_cropped(combined, case.target.shape).max() * case.data_range / case.target.max())
    relative = combined / largest
    factor = np.power(relative, gamma - 1, out=np.zeros_like(relative), where=relative > 0)
    changed = case._replace(kspace=_acquired(forward(images * factor), case.padding))
    # The maximum of the volume does not change.
    return _with_target(changed, case, case.target.shape)._replace(data_range=largest)


def _thickness(case: Case, count: float, rng: np.random.RandomState, slices: Sequence[Case]) -> Case:
    """Average `count` neighbouring complex slices, or fewer at the ends of a volume; recompute the target.

    The noise falls as it does in a thicker slice.
    """
    if count == 1:
        return case
    if len(slices) == 1:
        raise InputError(f"{case.name}: has no neighbouring slices in its volume, and cannot be made thicker")
    mean = np.mean([one.kspace.astype(np.complex128) for one in slices], axis=0)
    return _with_target(case._replace(kspace=mean.astype(np.complex64)), case, case.target.shape)


def _motion(case: Case, size: float, rng: np.random.RandomState, slices: Sequence[Case]) -> Case:
    """Shift and turn the object between nine groups of neighbouring phase-encode columns; the target stays.

    The central group is the reference.  In each other group the object is moved by up to `size` pixels along either
    axis and turned by up to `size` degrees, drawn uniformly.  The sensitivities move with the object, because measured
    data do not give them separately; over a few pixels they hardly change.
    """
    left, right = case.padding
    centre = case.kspace.shape[-1] // 2
    kspace = case.kspace.copy()
    for columns in np.array_split(np.arange(left, right), _GROUPS):
        rows_by, columns_by, degrees = rng.uniform(-size, size, 3)
        if centre not in columns:
            moved = _moved(
                jnp.asarray(case.kspace), jnp.asarray([rows_by, columns_by], jnp.float32), jnp.float32(degrees)
            )
            kspace[..., columns] = np.asarray(moved)[..., columns]
    return case._replace(kspace=kspace)


@jax.jit
def _moved(
    kspace: Complex[Array, "coil ny nx"], pixels: Float[Array, "2"], degrees: Float[Array, ""]
) -> Complex[Array, "coil ny nx"]:
    """K-space of the object turned about the centre, then moved down and to the right by the Fourier shift theorem."""
    turned = fft2c(rotate(ifft2c(kspace), degrees))
    rows, columns = ((jnp.arange(n, dtype=jnp.float32) - n // 2) / n for n in kspace.shape[-2:])
    return turned * jnp.exp(-2j * jnp.pi * (rows[:, None] * pixels[0] + columns * pixels[1]))


def _kept(size: int, share: float) -> int:
    """The number of kept rows or columns: an even number, so that the centre stays on the centre."""
    return size if share == 1 else max(2, 2 * round(share * size / 2))


def _scaled(box: Box, rows: float, columns: float) -> Box:
    return box._replace(
        row=round(box.row * rows),
        rows=max(1, round(box.rows * rows)),
        column=round(box.column * columns),
        columns=max(1, round(box.columns * columns)),
    )


def _acquired(kspace: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
    """Convert to complex64, and set columns to zero that the scanner never acquired."""
    left, right = padding
    kspace[..., :left] = 0
    kspace[..., right:] = 0
    return kspace.astype(np.complex64)


def _with_target(changed: Case, before: Case, shape: tuple[int, ...]) -> Case:
    """Make the cropped root sum of squares of the case's coil images its target.

    The maximum of the volume is assumed to change by the same factor as this slice's.
    """
    target = _cropped(root_sum_of_squares(changed.kspace), shape).astype(np.float32)
    peak = float(target.max())
    return changed._replace(target=target, data_range=before.data_range * peak / float(before.target.max()))


def _cropped(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    rows, columns = (image_slice(size, width) for size, width in zip(image.shape, shape, strict=True))
    return image[rows, columns]


# The order is that of the effects: shifts that need the file's own neighbouring slices first, noise last.
SHIFTS: dict[str, Shift] = {
    "thickness": Shift("slices that are averaged", 1, 99, _thickness, odd=True),
    "contrast": Shift("exponent of the magnitude", 0.1, 10, _contrast),
    "motion": Shift("pixels and degrees", 0, 45, _motion),
    "resolution": Shift("share of k-space's rows and columns", 0.1, 1, _resolution),
    "noise": Shift("times the noise's standard deviation", 1, 1000, _noise),
}
