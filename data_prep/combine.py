"""Other coils of the same scan: with noise that is alike and independent, or fewer of them; a volume at a time."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from data_prep.cases import InputError
from data_prep.layout import Volume, targets_of
from data_prep.safe_hdf5 import printable
from jaxcs.coils.background import has_background, noise_covariance
from jaxcs.coils.compress import compression_matrix
from jaxcs.coils.whiten import whiten
from jaxcs.fourier import centre_slice
from jaxcs.types import Kspace

# Columns and rows about the centre of k-space, where nearly all of its energy is.
_CENTRE = 32


def whitened(volume: Volume) -> Volume:
    """The volume with coils whose noise is uncorrelated and of one level, the mean level of before.

    The noise is that of the images' background, of all slices together (`jaxcs.coils.background`).  Targets are the
    root sum of squares of the new coils, and maps become theirs, of unit root sum of squares where they are not zero.

    Raises InputError where the volume is under-sampled or fills the field of view, so that its background cannot be
    seen, or where a coil has no noise of its own.
    """
    if volume.mask is not None:
        raise _refused(volume, "is under-sampled: its noise cannot be seen, leave --whiten out")
    padding = volume.padding or (0, volume.kspace.shape[-1])
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    largest = np.abs(volume.kspace).max()
    each = [_noise(jnp.asarray(coils / largest), padding) for coils in volume.kspace]
    seen = [covariance for covariance in each if covariance is not None]
    if not seen:
        raise _refused(
            volume, "its images fill the field of view, no background to measure noise in: leave --whiten out"
        )
    covariance = np.mean(seen, axis=0)
    level = np.trace(covariance).real / len(covariance)
    inverse = np.asarray(whiten(jnp.eye(len(covariance), dtype=jnp.complex64), jnp.asarray(covariance / level)))
    if not np.isfinite(inverse).all():
        raise _refused(volume, "a coil has no noise of its own: leave --whiten out, or the coil")
    changed = _combined(volume, inverse)
    if changed.maps is not None:
        changed = changed._replace(maps=unit_maps(changed.maps))
    note = f"coils whitened by the background's noise, {np.sqrt(level):.2e} of the largest sample"
    return changed._replace(targets=targets_of(changed._replace(targets=None)), notes=(*volume.notes, note))


def compressed(volume: Volume, coils: int) -> Volume:
    """The volume with at most so many virtual coils, the principal components of k-space's centre in all slices.

    Targets stay those of all coils.
    """
    if coils >= volume.kspace.shape[1]:
        return volume
    rows, columns = (centre_slice(size, min(size, _CENTRE)) for size in volume.kspace.shape[-2:])
    centre = volume.kspace[..., rows, columns].swapaxes(0, 1)
    matrix = np.asarray(compression_matrix(jnp.asarray(centre / np.abs(centre).max()), coils))
    changed = _combined(volume, matrix)
    kept = _energy(changed.kspace) / _energy(volume.kspace)
    note = f"{volume.kspace.shape[1]} coils compressed to {coils} virtual ones with {kept:.2%} of the energy"
    return changed._replace(targets=targets_of(volume), notes=(*volume.notes, note))


def unit_maps(maps: np.ndarray) -> np.ndarray:
    """Maps (..., coil, ny, nx) with a root sum of squares over the coils of 1 where they are not all zero."""
    norm = np.linalg.norm(maps, axis=-3, keepdims=True)
    return maps / np.where(norm > 0, norm, 1)


def _combined(volume: Volume, matrix: np.ndarray) -> Volume:
    """Each new coil is the row of `matrix` times the coils of before, slice by slice."""

    def combined(slices: np.ndarray) -> np.ndarray:
        return np.stack([np.tensordot(matrix, coils, 1) for coils in slices])

    return volume._replace(kspace=combined(volume.kspace), maps=None if volume.maps is None else combined(volume.maps))


def _noise(kspace: Kspace, padding: tuple[int, int]) -> np.ndarray | None:
    """The noise covariance of a slice; None where it has no background."""
    covariance = noise_covariance(kspace, padding)
    return np.asarray(covariance) if has_background(covariance, kspace, padding) else None


def _energy(kspace: np.ndarray) -> float:
    return sum(float(np.linalg.norm(coils.astype(np.complex128))) ** 2 for coils in kspace)


def _refused(volume: Volume, problem: str) -> InputError:
    return InputError(printable(f"{volume.name}: {problem}"))
