"""Coverage of the object by the coil maps of a slice, and remedies if it is poor."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from data_prep.cases import Case, Doubt
from jaxcs.coils.coverage import combined, left_out
from jaxcs.coils.espirit import EspiritConfig
from jaxcs.complex import magnitude
from jaxcs.fourier import centre_slice, image_crop
from jaxcs.metrics import METRICS
from jaxcs.scored import Region
from jaxcs.types import Kspace, Maps, Measurement

# Share of the energy of the measured centre that coil maps may leave out [-].  On 4 measured brains, 6 phantoms and 6
# images with simulated coils, maps of 5 and more columns leave out 0.3 to 7 %.  Maps that leave out over a fifth lose
# the object: the fully sampled data combined by them have at most 28 dB in it.
MOST_LEFT_OUT = 0.1
# Number of rows and columns from which maps are good: maps leave out 1 to 5 % with 7 x 7 samples, 3 to 11 % with 6 x 6,
# and 6 to 41 % with 5 x 5.
_ENOUGH = 7
_left_out = jax.jit(left_out)


def why_no_maps(case: Case, kspace: np.ndarray, centre: tuple[int, int]) -> str:
    """Say why an image through the coil maps is zero everywhere, and the remedy.

    Args:
        case: the slice.
        kspace: (coil, ny, nx) measured k-space.
        centre: (rows, columns) of the fully sampled centre.
    """
    if case.maps is not None:
        return "its coil maps are zero wherever there is signal; correct 'maps', or delete it to have maps estimated"
    if not kspace[..., _block(kspace.shape, centre)].any():
        return "its calibration region holds no signal, so that there are no coil maps; leave it out"
    return f"coil maps are zero everywhere; {_few(case, centre)}"


def flags_give_too_few(case: Case, centre: tuple[int, int]) -> bool:
    """Return whether maps are estimated from a centre that the flags made too small.

    Args:
        case: the slice.
        centre: (rows, columns) of the fully sampled centre.
    """
    return case.maps is None and case.mask is None and min(centre) < _ENOUGH


def _few(case: Case, centre: tuple[int, int]) -> str:
    """The remedy for coil maps that were estimated and are poor."""
    size = f"{centre[1]} columns" if centre[0] == case.kspace.shape[-2] else f"{centre[0]} x {centre[1]} samples"
    estimated = f"they are estimated from the {size} of its fully sampled centre"
    if flags_give_too_few(case, centre):
        return f"{estimated}, which are too few; raise --center-fraction, and lower --acceleration if it leaves no room"
    if min(centre) < _ENOUGH:
        return f"{estimated}, which are too few; give 'maps' in its file, or a mask with a larger centre"
    return f"{estimated}; its object may reach over the edge of the field of view, or its coils be compressed too far"


def doubts(case: Case, share: float | None, centre: tuple[int, int]) -> list[Doubt]:
    """Return a doubt if the coil maps cover too little of the object.

    Args:
        case: the slice.
        share: share of energy that the maps leave out [-], or None.
        centre: (rows, columns) of the fully sampled centre.
    """
    if share is None or share <= MOST_LEFT_OUT:
        return []
    remedy = (
        _few(case, centre)
        if case.maps is None
        else "they are those of its file, perhaps of another slice or orientation; correct 'maps', or delete it to "
        "have maps estimated"
    )
    return [
        Doubt(
            "the coil maps leave out much of the object",
            f"the coil maps leave out {share:.0%} of the energy of its measured centre; {remedy}",
        )
    ]


def _block(shape: tuple[int, ...], centre: tuple[int, int]) -> np.ndarray:
    """(ny, nx), True in the fully sampled centre, from which maps are estimated."""
    found = np.zeros(shape[-2:], bool)
    rows, columns = (centre_slice(size, width) for size, width in zip(shape[-2:], centre, strict=True))
    found[rows, columns] = True
    return found


def share_left_out(measurement: Measurement, centre: tuple[int, int]) -> float | None:
    """Measure the share of the centre's energy that the coil maps leave out [-].

    The centre has at most as many columns as are used for estimating maps.

    Args:
        measurement: the slice.
        centre: (rows, columns) of the fully sampled centre.

    Returns:
        The share, or None if the zero frequency is not measured.
    """
    most = EspiritConfig().calibration_width
    columns = min(centre[1], most)
    # Column masks sample all rows; more rows in the centre give sharper images.
    rows = centre[0] if measurement.mask.ndim == 1 else min(centre[0], most)
    if not min(rows, columns):
        return None
    block = _block(measurement.kspace.shape, (rows, columns))
    return float(_left_out(measurement.kspace, measurement.maps, jnp.asarray(block)))


def share_outside(kspace: np.ndarray, centre: tuple[int, int]) -> float:
    """Compute the norm of the measured samples outside the fully sampled centre, over the norm of all [-].

    Args:
        kspace: (coil, ny, nx), zero where not measured.
        centre: (rows, columns) of the fully sampled centre.
    """
    outside = np.where(_block(kspace.shape, centre), 0, kspace)
    return float(np.linalg.norm(outside) / np.linalg.norm(kspace))


def ceiling(
    kspace: Kspace, maps: Maps, target: Float[Array, "ty tx"], data_range: Float[Array, ""], region: Region | None
) -> dict[str, float | None]:
    """Score the fully sampled data combined by the maps: the best possible image through these maps.

    The image is scored like the image of a method.

    Args:
        kspace: (coil, ny, nx) fully sampled k-space.
        maps: (coil, ny, nx) coil sensitivity maps.
        target: (ty, tx) target image.
        data_range: maximum of the volume.
        region: (ty, tx) True for the pixels that are scored, or None for all.

    Returns:
        PSNR [dB] and SSIM [-]; None for a score that is not finite, for example if the image equals its target.
    """
    scores = _ceiling(kspace, maps, target, data_range, region)
    return {name: float(score) if math.isfinite(score) else None for name, score in scores.items()}


@jax.jit
def _ceiling(kspace: Kspace, maps: Maps, target: Array, data_range: Array, region: Region | None) -> dict[str, Array]:
    """All scores in one compiled function, because many small ones take long to load."""
    image = image_crop(magnitude(combined(kspace, maps)), (target.shape[0], target.shape[1]))
    return {name: METRICS[name](image, target, data_range, region) for name in ("psnr", "ssim")}
