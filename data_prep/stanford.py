"""Stanford's fully sampled 3-D fast-spin-echo knees from mridata.org, ISMRMRD files, made similar to fastMRI's.

Their slices are 320 x 320 pixels and fill the field of view, but fastMRI's k-space is sampled twice as densely along
the readout.  A network trained on fastMRI therefore meets structures of another scale in k-space.  Two fixes change
that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from data_prep import ismrmrd
from data_prep.fourier import forward, inverse
from data_prep.layout import Volume
from data_prep.safe_hdf5 import LARGEST_DATASET, refusal
from jaxcs.fourier import centre_slice

_GROWTH = 4  # growth of k-space by a fix: twice the rows and twice the columns


def volumes(path: Path, fix: str) -> Iterator[Volume]:
    """Read the volumes of a file, sliced along the fully sampled axis.

    Args:
        path: the file.
        fix: "none", "published" (see `repeat_samples`) or "principled" (see `extend_field_of_view`).

    Yields:
        The volumes, one at a time.

    Raises:
        InputError: If the file cannot be used, or is under-sampled and to be fixed.
        ValueError: If the fix is unknown.
    """
    if fix not in FIXES:
        raise ValueError(f"fix is '{fix}', must be one of {', '.join(FIXES)}")
    for volume in ismrmrd.volumes(path):
        if fix != "none" and volume.mask is not None:
            raise refusal(path, "under-sampled, its resolution cannot be fixed", "give a fully sampled scan")
        if fix != "none" and _GROWTH * volume.kspace.nbytes > LARGEST_DATASET:
            problem = f"--fix {fix} makes {_GROWTH * volume.kspace.nbytes} bytes of k-space, over {LARGEST_DATASET}"
            raise refusal(path, problem, "leave it out, or give a smaller scan")
        with np.errstate(over="ignore", invalid="ignore"):  # non-finite values are refused below
            fixed = FIXES[fix](volume)
        if not np.isfinite(fixed.kspace).all():
            raise refusal(path, "lines hold too large numbers", "repair the file or leave it out")
        yield fixed


def repeat_samples(volume: Volume) -> Volume:
    """Apply the fix of Darestani et al., ICML 2021: repeat each sample of k-space 2 x 2, and rotate k-space by 90
    degrees.

    The field of view doubles, and the image fades towards its edge, because repeating is convolution with a box of two
    samples.  The counter-clockwise rotation turns the knee to the orientation of fastMRI's knees.
    """
    repeated = volume.kspace.repeat(2, axis=-2).repeat(2, axis=-1)
    return volume._replace(
        kspace=np.ascontiguousarray(np.rot90(repeated, axes=(-2, -1))),
        crop=(volume.crop[1], volume.crop[0]),
        padding=None,
        geometry=None if volume.geometry is None else volume.geometry.turned(),
        notes=(*volume.notes, "published resolution fix: samples repeated 2 x 2, k-space rotated by 90 degrees"),
    )


def extend_field_of_view(volume: Volume) -> Volume:
    """Apply the principled fix: pad the image with zeros to twice its rows and columns; the object stays as it is.

    K-space between the measured samples is interpolated exactly.  The padding around the object holds no noise.
    """
    top, left = (centre_slice(2 * size, size).start for size in volume.kspace.shape[-2:])
    return volume._replace(
        kspace=np.stack([_pad_image(coils) for coils in volume.kspace]),
        padding=None,
        geometry=None if volume.geometry is None else volume.geometry.moved(-left, -top, 0),
        notes=(*volume.notes, "principled resolution fix: image padded with zeros to twice its rows and columns"),
    )


def _pad_image(kspace: np.ndarray) -> np.ndarray:
    """(coil, ny, nx) -> (coil, 2 ny, 2 nx) complex64, through the image."""
    images = inverse(kspace)
    coils, ny, nx = kspace.shape
    padded = np.zeros((coils, 2 * ny, 2 * nx), images.dtype)
    padded[:, centre_slice(2 * ny, ny), centre_slice(2 * nx, nx)] = images
    return forward(padded).astype(np.complex64)


FIXES: dict[str, Callable[[Volume], Volume]] = {
    "none": lambda volume: volume,
    "published": repeat_samples,
    "principled": extend_field_of_view,
}
