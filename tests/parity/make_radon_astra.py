"""Let the ASTRA toolbox project an image and back-project a sinogram, and store both beside this file.

They are the reference of test_radon.py.  ASTRA's projector `linear` is Joseph's.  Its matrix is taken, so that
the back-projection is the exact transpose.  ASTRA puts the centre at (size - 1) / 2 and jaxcs at size // 2: the sizes
are odd, so that these agree.  To make the file anew:

    pip install astra-toolbox==2.5.0 numpy scipy
    python tests/parity/make_radon_astra.py

angles [degree]; for each number of detectors N: image, sinogram|N (view, detector), data|N (view, detector) and
back|N, the transpose of the projection applied to `data`.
"""

from __future__ import annotations

from pathlib import Path

import astra
import numpy as np

SIZE, DETECTORS = 25, (25, 37)
# Upright, flat and diagonal views, views on either side of the diagonals, and one past half a turn.
ANGLES = (0.0, 18.0, 36.0, 44.9, 45.0, 45.1, 72.0, 90.0, 108.0, 135.0, 162.0, 200.0)


def main() -> None:
    """Project and store."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(SIZE, SIZE)).astype(np.float32)
    stored = {"angles": np.array(ANGLES), "image": image}
    for detectors in DETECTORS:
        beams = astra.create_proj_geom("parallel", 1.0, detectors, np.deg2rad(ANGLES))
        projector = astra.create_projector("linear", beams, astra.create_vol_geom(SIZE, SIZE))
        matrix = astra.matrix.get(astra.projector.matrix(projector)).astype(np.float64)
        data = rng.normal(size=(len(ANGLES), detectors)).astype(np.float32)
        stored[f"sinogram|{detectors}"] = (matrix @ image.ravel()).reshape(data.shape).astype(np.float32)
        stored[f"data|{detectors}"] = data
        stored[f"back|{detectors}"] = (matrix.T @ data.ravel()).reshape(image.shape).astype(np.float32)
    np.savez_compressed(Path(__file__).with_name("radon_astra.npz"), **stored)


if __name__ == "__main__":
    main()
