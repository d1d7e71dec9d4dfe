"""Let the authors' program compute Fourier ring correlations of patches, and store them beside this file.

They are the reference of test_fourier_ring.py.  To make the file anew, with src/frc_utils.py of the public-domain
repository DIDSR/sfrc in the folder DIR:

    pip install numpy scipy matplotlib
    PYTHONPATH=DIR python tests/parity/make_sfrc.py

image and reference (64, 64); whole (32,), the correlation of the two; windowed (2, 2, 16), of the four patches of 32 x
32, each scaled to 0 to 1 and multiplied by a Hann window.  The window is made here: the program's function for it
multiplies the windowed patch by its transpose (commit 527fbf5), so that it correlates another image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from frc_utils import FRC
from scipy.ndimage import gaussian_filter


def main() -> None:
    """Correlate and store."""
    rng = np.random.default_rng(0)
    reference = gaussian_filter(rng.normal(size=(64, 64)), 1.2)
    reference = np.abs(reference - reference.min()).astype(np.float32)
    image = (gaussian_filter(reference, 0.6) + 0.03 * rng.normal(size=(64, 64))).astype(np.float32)

    def patch(one: np.ndarray, row: int, column: int) -> np.ndarray:
        inside = np.float64(one[32 * row : 32 * row + 32, 32 * column : 32 * column + 32])
        window = np.outer(np.hanning(32), np.hanning(32))
        return window * (inside - inside.min()) / (inside.max() - inside.min())

    windowed = [
        [_curve(patch(image, row, column), patch(reference, row, column)) for column in (0, 1)] for row in (0, 1)
    ]
    np.savez_compressed(
        Path(__file__).with_name("sfrc.npz"),
        image=image,
        reference=reference,
        whole=_curve(np.float64(image), np.float64(reference)),
        windowed=np.array(windowed),
    )


def _curve(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    return FRC(reference, image, thresholding="0.75")[1]


if __name__ == "__main__":
    main()
