"""Write reconstructions as fastMRI's leaderboard and `fastmri.save_reconstructions` have them: `reconstruction`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data_prep.hdf5_writing import new_file
from data_prep.image_formats import ImageVolume
from data_prep.whole import whole_file


def write(folder: Path, volume: ImageVolume) -> None:
    """Write `folder`/name.h5 with `reconstruction` (slice, ty, tx) float32.

    Args:
        folder: folder to write to.
        volume: the volume.

    Raises:
        OSError: If the system refuses.
    """
    with whole_file(folder / f"{volume.name}.h5") as part, new_file(part) as file:
        file["reconstruction"] = np.asarray(volume.images, np.float32)
