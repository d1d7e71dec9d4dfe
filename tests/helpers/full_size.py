"""A knee volume of fastMRI's full size: python -m tests.helpers.full_size FOLDER writes FOLDER/file1000001.h5.

It has 15 coils of 640 x 368 and a target of 320 x 320, like most of fastMRI's knees.  The object is the built-in
phantom with a smooth phase, in the middle of a field of view that is twice as long along the readout.
"""

import sys
from pathlib import Path

import numpy as np

from data_prep import phantom
from data_prep.coil_array import Receiver, measure
from data_prep.fourier import root_sum_of_squares
from jaxcs.coils.simulate import loop_sensitivities
from tests.helpers import fastmri_like
from tests.helpers.fastmri_like import Geometry

GEOMETRY = Geometry((640, 368), (320, 320))
COILS, SLICES, SNR = 15, 2, 100.0


def volume():
    """Make k-space (slice, coil, ny, nx) complex64 in raw units as small as fastMRI's, and targets (slice, ty, tx)."""
    (ny, nx), (ty, tx) = GEOMETRY
    maps = loop_sensitivities((ny, nx), (float(ny), float(nx)), COILS, 400.0, 120.0)
    y, x = np.meshgrid(np.linspace(-1, 1, ny), np.linspace(-1, 1, nx), indexing="ij")
    kspace = []
    for index in range(SLICES):
        image = np.zeros((ny, nx))
        first = (ny - ty) // 2, (nx - tx) // 2
        image[first[0] : first[0] + ty, first[1] : first[1] + tx] = phantom.case("knee", "test", index, (ty, tx)).target
        receiver = Receiver(maps, snr=SNR)
        kspace.append(measure(image * np.exp(1j * (x + y * x)), receiver, np.random.RandomState([0, index])) * 1e-5)
    images = np.stack([root_sum_of_squares(one) for one in kspace])
    target = fastmri_like.fastmri_crop(images, (ty, tx)).astype(np.float32)
    return np.stack(kspace).astype(np.complex64), target


if __name__ == "__main__":
    print(fastmri_like.store(Path(sys.argv[1]) / "file1000001.h5", GEOMETRY, *volume()))
