"""A slice as the user gives it: raw k-space in any units, a mask, perhaps coil maps."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxcs import masks
from jaxcs.coils.espirit import EspiritConfig, check_calibration, espirit
from jaxcs.fourier import centre_slice
from jaxcs.metrics import WINDOW
from jaxcs.recon.checks import check_measurement
from jaxcs.scored import Region, region_of
from jaxcs.types import Kspace, Maps, Mask

_COMPLEX = np.dtype(np.complex64)


def is_known(*arrays: Any) -> bool:
    """Return whether the values of all arrays are known; JAX traces arrays without values."""
    return not any(isinstance(array, jax.core.Tracer) for array in arrays)


def check_slice(kspace: Any, mask: Any, maps: Any) -> None:
    """Check that a slice can be reconstructed: shapes and types always, values only if they are known.

    Args:
        kspace: (coil, ny, nx) complex.
        mask: (nx,) or (ny, nx), True where measured.
        maps: (coil, ny, nx) complex, or None.

    Raises:
        ValueError: shapes or values do not fit; the message is one line.
        TypeError: numbers are of the wrong kind; the message is one line.
    """
    check_measurement(kspace, mask, maps, needs_maps=maps is not None)
    if is_known(kspace, mask):
        sampling(np.asarray(kspace), np.asarray(mask, bool))


def check_region(region: Any, shape: tuple[int, int]) -> Region:
    """Return the pixels that are scored, (ty, tx) bool.

    Args:
        region: (first row, first column, rows, columns), or (ty, tx) bool, True inside.
        shape: (ty, tx) of the image.

    Raises:
        ValueError: the region is outside the image, or no window of SSIM lies inside it; the message is one line.
    """
    given = np.asarray(region)
    if given.shape == (4,) and given.dtype.kind in "iu":
        row, column, rows, columns = map(int, given)
        if min(row, column) < 0 or min(rows, columns) < 1 or row + rows > shape[0] or column + columns > shape[1]:
            raise ValueError(f"region is {region}, but the image has {shape[0]} x {shape[1]} pixels; give a box inside")
        given = region_of([(row, column, rows, columns)], shape)
    if given.shape != shape or given.dtype != bool:
        said = f"region is {given.dtype} of {given.shape}"
        raise ValueError(f"{said}; give (first row, first column, rows, columns), or bool of {shape}")
    if min(shape) < WINDOW or not np.lib.stride_tricks.sliding_window_view(given, (WINDOW, WINDOW)).all((2, 3)).any():
        raise ValueError(f"region holds no {WINDOW} x {WINDOW} pixels, which SSIM needs; give a larger one")
    return jnp.asarray(given)


def sampling(kspace: np.ndarray, mask: np.ndarray) -> Literal["measured", "whole"]:
    """Tell whether k-space has only the samples of the mask, or is fully sampled.

    Args:
        kspace: (coil, ny, nx) complex.
        mask: (nx,) or (ny, nx) bool.

    Returns:
        "measured" or "whole".

    Raises:
        ValueError: k-space is not finite, is zero wherever the mask measures, or was under-sampled by another mask.
    """
    if not np.isfinite(kspace).all():
        raise ValueError("kspace holds NaN or infinity; leave this slice out or correct it")
    there = np.any(kspace != 0, axis=0)
    if mask.ndim == 1:
        there = np.any(there, axis=0)
    if not np.any(there & mask):
        raise ValueError(
            f"kspace is zero wherever the mask measures ({int(mask.sum())} of {mask.size} are True); "
            "give the mask that is True where measured, with the zero frequency at n // 2"
        )
    outside = there & ~mask
    if not outside.any():
        return "measured"
    # Columns that were never acquired are at the sides; columns that a mask left out are between others.
    before = np.logical_or.accumulate(there, axis=-1)
    after = np.logical_or.accumulate(there[..., ::-1], axis=-1)[..., ::-1]
    if np.any(before & after & ~there):
        raise ValueError(
            f"kspace is not zero at {int(outside.sum())} places that the mask leaves out, and is not fully sampled "
            "either; give the mask that it was measured with"
        )
    return "whole"


def acquired(kspace: np.ndarray) -> tuple[int, int]:
    """Return the first column with a non-zero sample, and the column after the last."""
    columns = np.flatnonzero(np.any(kspace != 0, axis=(0, 1)))
    return int(columns[0]), int(columns[-1]) + 1


def estimate_maps(kspace: Kspace, mask: Mask) -> Maps:
    """Estimate coil maps by ESPIRiT from the fully sampled centre of a slice.

    Args:
        kspace: (coil, ny, nx) complex, in any units, measured or fully sampled.
        mask: (nx,) or (ny, nx), True where measured; JAX must not trace it, because its values must be known.

    Returns:
        (coil, ny, nx) complex64, sum over coils of |maps|^2 = 1 where there is signal, and 0 elsewhere.

    Raises:
        ValueError: the fully sampled centre of the mask is too small, or the slice does not fit together.
        TypeError: JAX traces the mask.
    """
    if not is_known(mask):
        raise TypeError("mask is traced by JAX, and coil maps are estimated from its values; give maps")
    check_slice(kspace, mask, None)
    known = np.asarray(mask, bool)
    width = masks.acs_width(known)
    centre = (kspace.shape[-2], width) if isinstance(width, int) else width
    try:
        calibration = check_calibration(centre, EspiritConfig())
    except ValueError as error:
        raise ValueError(f"maps: {error}") from error
    rows, columns = (centre_slice(size, width) for size, width in zip(kspace.shape[-2:], calibration, strict=True))
    array: Any = np if is_known(kspace) else jnp
    kspace = array.where(known, array.asarray(kspace, _COMPLEX), _COMPLEX.type(0))
    # Divided by its maximum, because squares of raw units of 1e-25 would vanish in float32.
    largest = abs(kspace[:, rows, columns]).max()
    return espirit(kspace / array.where(largest > 0, largest, 1).astype(largest.dtype), calibration, EspiritConfig())
