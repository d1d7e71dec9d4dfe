"""Files of fastMRI's geometry at a tenth of its size: k-space and target have different shapes, as in every real
volume.

The targets are cropped here by hand, at (n - m) // 2, as `center_crop` of the `fastmri` package does.
"""

from typing import NamedTuple

import h5py
import numpy as np

from data_prep import phantom
from data_prep.fourier import root_sum_of_squares


class Geometry(NamedTuple):
    """(rows, columns) of k-space and of the target in the file."""

    kspace: tuple[int, int]
    target: tuple[int, int]


GEOMETRIES = {
    "knee": Geometry((64, 36), (32, 32)),  # 640 x 368 and 320 x 320
    "odd_columns": Geometry((64, 37), (32, 32)),  # 640 x 372
    "brain": Geometry((76, 39), (39, 76)),  # 768 x 396 and 396 x 768
    "narrow": Geometry((64, 20), (32, 32)),  # 640 x 203 and 320 x 320
    "odd_target": Geometry((64, 48), (33, 33)),
    "oversampled_readout": Geometry((80, 40), (40, 40)),
}


def fastmri_crop(image, shape):
    """Crop an image to the part of `shape` that fastMRI compares."""
    starts = [(n - m) // 2 for n, m in zip(image.shape[-2:], shape, strict=True)]
    return image[..., starts[0] : starts[0] + shape[0], starts[1] : starts[1] + shape[1]]


def volume(name, slices=2):
    """Make k-space (slice, coil, ny, nx) of phantoms, and targets (slice, ty, tx), zero beyond the image of k-space."""
    (ny, nx), (ty, tx) = GEOMETRIES[name]
    kspace = np.stack([phantom.case("knee", "train", index, (ny, nx)).kspace for index in range(slices)])
    images = np.stack([root_sum_of_squares(coils) for coils in kspace])
    before = [max(m - n, 0) // 2 for n, m in ((ny, ty), (nx, tx))]
    after = [max(m - n, 0) - first for (n, m), first in zip(((ny, ty), (nx, tx)), before, strict=True)]
    padded = np.pad(images, ((0, 0), *zip(before, after, strict=True)))
    return kspace, fastmri_crop(padded, (ty, tx)).astype(np.float32)


def write(folder, name, slices=2):
    """Write a file of this geometry like fastMRI's, without this project's own data sets."""
    return store(folder / f"{name}.h5", GEOMETRIES[name], *volume(name, slices))


def store(path, geometry, kspace, target):
    """Write k-space (slice, coil, ny, nx) and targets (slice, ty, tx) with fastMRI's header and attributes."""
    (ny, nx), (ty, tx) = geometry
    header = (
        '<ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
        f"<encodedSpace><matrixSize><x>{ny}</x><y>{nx}</y><z>1</z></matrixSize></encodedSpace>"
        f"<reconSpace><matrixSize><x>{ty}</x><y>{tx}</y><z>1</z></matrixSize></reconSpace>"
        f"<encodingLimits><kspace_encoding_step_1><minimum>0</minimum><maximum>{nx - 1}</maximum>"
        f"<center>{nx // 2}</center></kspace_encoding_step_1></encodingLimits></encoding></ismrmrdHeader>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file["kspace"], file["reconstruction_rss"], file["ismrmrd_header"] = kspace, target, np.bytes_(header)
        file.attrs.update({"max": float(target.max()), "norm": float(np.linalg.norm(target))})
        file.attrs["acquisition"] = "CORPD_FBK"
    return path
