"""A scan of many coils as that of one coil, for networks that take no more: k-space of the magnitude image.

Antun et al. (PNAS 2020) make such measurements of real images for DAGAN and AUTOMAP, and the published weights of
DeepMRI are for magnitudes.
"""

from __future__ import annotations

import numpy as np

from data_prep.cases import Case, InputError
from data_prep.fourier import forward, inverse, root_sum_of_squares
from jaxcs.fourier import centre_slice, image_slice


def one_coil(case: Case, side: int | None = None) -> Case:
    """Replace the coils of a case by one, which measures the root sum of squares of the coil images.

    Args:
        case: a fully sampled case.
        side: rows and columns of the result: the central square of the image at a lower resolution; None keeps the
            matrix.

    Returns:
        The case, whose image is real and at least 0 and whose coil map is 1.

    Raises:
        InputError: the case is already under-sampled, or smaller than `side`.
    """
    if case.mask is not None:
        raise InputError(f"{case.name}: is already under-sampled, so that its coils cannot be combined into one")
    image = root_sum_of_squares(case.kspace)
    target = image[_central(image.shape, case.target.shape)]
    before = float(target.max())
    if side is not None:
        image = target = _smaller(case.name, image, side)
    after = float(target.max())
    return case._replace(
        kspace=forward(image)[None].astype(np.complex64),
        target=target.astype(np.float32),
        # The maximum of the volume is assumed to change by the same factor as this slice's.
        data_range=case.data_range * (after / before if before > 0 else 1),
        padding=(0, image.shape[1]),
        maps=np.ones((1, *image.shape), np.complex64),
        boxes=case.boxes if side is None else (),
    )


def _smaller(name: str, image: np.ndarray, side: int) -> np.ndarray:
    """The central square of an image at the resolution of `side` pixels, as a magnitude."""
    square = min(image.shape)
    if square < side:
        raise InputError(f"{name}: has {image.shape[0]} x {image.shape[1]} pixels, and the network needs {side}")
    kspace = forward(image[_central(image.shape, (square, square))])
    kept = centre_slice(square, side)
    # An orthonormal transform of fewer samples would make the same object brighter.
    return np.abs(inverse(kspace[kept, kept])) * (side / square)


def _central(shape: tuple[int, ...], part: tuple[int, ...]) -> tuple[slice, slice]:
    rows, columns = (image_slice(size, width) for size, width in zip(shape, part, strict=True))
    return rows, columns
