"""Let the authors' program and PIQ compute HaarPSI, and store images and scores beside this file.

They are the reference of test_haarpsi.py.  The images are even and odd in size, alike, noisy, blurred, too bright, and
with values above the range.  To make the file anew, with haarPsi.py of the authors' repository (rgcda/haarpsi, commit
3b9599b0) in the folder DIR:

    pip install piq==0.8.0 torch numpy scipy
    PYTHONPATH=DIR python tests/parity/make_haarpsi.py

For each pair N: image|N and target|N (ny, nx) from 0 to 255, authors|N and piq|N, the scores.  PIQ takes no values
above its range, so that the pair `above` has no score of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import piq
import torch
from haarPsi import haar_psi
from scipy.ndimage import gaussian_filter


def pairs() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Make (image, target) by name, float32 from 0 to 255."""
    rng = np.random.default_rng(0)

    def scene(ny: int, nx: int) -> np.ndarray:
        rows, columns = np.mgrid[:ny, :nx]
        disc = np.hypot(rows - 0.5 * ny, columns - 0.45 * nx) < 0.35 * min(ny, nx)
        return 40 + 120 * disc + 40 * np.sin(columns / 3) * disc + 10 * gaussian_filter(rng.normal(size=(ny, nx)), 1)

    even, odd, mixed = scene(48, 40), scene(37, 41), scene(33, 50)
    found = {
        "noisy": (even + 12 * rng.normal(size=even.shape), even),
        "blurred": (gaussian_filter(odd, 1.5), odd),
        "brighter": (1.2 * mixed, mixed),
        "other": (rng.uniform(0, 255, even.shape), even),
        "dark": (0 * mixed, mixed),
        "equal": (odd, odd),
    }
    found = {name: tuple(np.clip(one, 0, 255) for one in pair) for name, pair in found.items()}
    found["above"] = (1.8 * even, even)
    return {name: tuple(one.astype(np.float32) for one in pair) for name, pair in found.items()}


def main() -> None:
    """Score and store."""
    stored = {}
    for name, (image, target) in pairs().items():
        stored |= {f"image|{name}": image, f"target|{name}": target}
        stored[f"authors|{name}"] = np.float64(haar_psi(target, image)[0])
        if image.max() <= 255:
            given = [torch.from_numpy(np.float64(one))[None, None] for one in (image, target)]
            stored[f"piq|{name}"] = np.float64(piq.haarpsi(*given, data_range=255.0))
    np.savez_compressed(Path(__file__).with_name("haarpsi.npz"), **stored)


if __name__ == "__main__":
    main()
