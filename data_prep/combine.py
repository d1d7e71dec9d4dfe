"""Transform the coils of a scan, one volume at a time: equalise and decorrelate their noise, or reduce their number."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from data_prep.cases import InputError
from data_prep.layout import Volume, targets_of
from jaxcs.coils.background import has_background, noise_covariance
from jaxcs.coils.compress import compression_matrix
from jaxcs.coils.whiten import whiten
from jaxcs.fourier import centre_slice
from jaxcs.names import printable
from jaxcs.types import Kspace

# Columns and rows about the centre of k-space, which hold nearly all of its energy.
_CENTRE = 32


def whitened(volume: Volume) -> Volume:
    """Whiten the coils: make their noise uncorrelated and equal in level, at the mean level before.

    The noise is estimated from the background of the images, for all slices together (`jaxcs.coils.background`).  The
    targets become the root sum of squares of the new coils.  The maps are transformed like the coils, then scaled to a
    root sum of squares of 1 at each pixel that is not zero.

    Args:
        volume: a fully sampled volume.

    Returns:
        The whitened volume.

    Raises:
        InputError: If the volume is under-sampled or fills the field of view, so that no background is visible.  Also
            if a coil has no independent noise.
    """
    if volume.mask is not None:
        raise _refused(volume, "is under-sampled: its noise cannot be seen, leave --whiten out")
    padding = volume.padding or (0, volume.kspace.shape[-1])
    # Divided by the maximum, because the squares of raw values of 1e-25 would vanish in float32.
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
    """Compress the coils to virtual coils: the principal components of the centre of k-space in all slices.

    Args:
        volume: a volume.
        coils: largest number of virtual coils; a volume with at most as many coils is returned as it is.

    Returns:
        The compressed volume.  Its targets stay as they were before compression.
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
    """Scale maps to a root sum of squares of 1 over the coils at each pixel.

    Args:
        maps: (..., coil, ny, nx) coil sensitivity maps.

    Returns:
        (..., coil, ny, nx) scaled maps; pixels at which all maps are zero stay zero.
    """
    norm = np.linalg.norm(maps, axis=-3, keepdims=True)
    return maps / np.where(norm > 0, norm, 1)


def _combined(volume: Volume, matrix: np.ndarray) -> Volume:
    """Multiply each row of `matrix` by the old coils to get a new coil, slice by slice."""

    def combined(slices: np.ndarray) -> np.ndarray:
        return np.stack([np.tensordot(matrix, coils, 1) for coils in slices])

    return volume._replace(kspace=combined(volume.kspace), maps=None if volume.maps is None else combined(volume.maps))


def _noise(kspace: Kspace, padding: tuple[int, int]) -> np.ndarray | None:
    """The noise covariance of a slice, or None if it has no background."""
    covariance = noise_covariance(kspace, padding)
    return np.asarray(covariance) if has_background(covariance, kspace, padding) else None


def _energy(kspace: np.ndarray) -> float:
    return sum(float(np.linalg.norm(coils.astype(np.complex128))) ** 2 for coils in kspace)


def _refused(volume: Volume, problem: str) -> InputError:
    return InputError(printable(f"{volume.name}: {problem}"))
