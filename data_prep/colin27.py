"""The head of one subject, the mean of 27 scans: T1 of 1 mm with skull and scalp.

Colin27 (Holmes et al., J. Comput. Assist. Tomogr. 22:324, 1998) is in the Debian package mricron-data.  It has no
tissue labels, so the T1 contrast of the image is the only one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from data_prep import anatomy
from data_prep.anatomy import Anatomy
from data_prep.drawn_scan import FINE, STEP, Image
from data_prep.layout import Volume
from data_prep.nifti import read_nifti
from data_prep.packages import of_debian

PACKAGE = "mricron-data"
HASHES = {"ch2.nii.gz": "707a360b809ba937f6c007231bcf7dc6e2d33657497b254414c9894b6efa5f8c"}
# Half the maximum is over scalp and brain, and under nothing but fluid and bone.
_TISSUE = 0.25
_NUMBER = 102  # after those of BrainWeb


def volumes(folder: Path, draw: bool, slices: int) -> Iterator[Volume]:
    """Scan the head.

    Args:
        folder: folder of the image, which is fetched if it is not there.
        draw: whether all but the contrast is drawn for each slice, for training.
        slices: number of axial slices, evenly spaced.

    Yields:
        One volume.

    Raises:
        InputError: If the image cannot be fetched, or is another image.
        OSError: If the folder cannot be written to.
    """
    (path,) = of_debian(folder, PACKAGE, HASHES)
    # The front of the head is at the first row, as in BrainWeb.
    images = read_nifti(path).images[0, :, ::-1]
    images = images / images.max()
    covered = np.count_nonzero(images > _TISSUE, axis=(1, 2))
    head = Anatomy("colin27", "Colin27", _NUMBER, covered, lambda index, rng: refined(images[index]))
    yield from anatomy.volumes(head, () if draw else ("t1",), slices)


def refined(image: Image) -> Image:
    """Interpolate an image with pixels of 1 mm on the grid of anatomies, with their centres together."""
    at = [(np.arange(FINE) - FINE // 2) * STEP + (size - 1) / 2 for size in image.shape]
    places = np.meshgrid(*at, indexing="ij")
    return np.asarray(np.maximum(ndimage.map_coordinates(image, places, order=3, mode="constant"), 0))
