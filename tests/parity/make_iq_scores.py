"""Let the FDA's MRI-IQ-ETK make and score its phantoms, and store the results beside this file.

They are the reference of test_iq_scores.py.  To make the file anew, with digital_phantom.py and evaluation_metrics.py
of the public-domain repository DIDSR/mr-recon-eval-core (commit 4b6ae7f) in the folder DIR:

    pip install numpy scipy scikit-image==0.25.2 matplotlib
    PYTHONPATH=DIR MPLBACKEND=Agg python tests/parity/make_iq_scores.py

The images are 96 x 96, of 240 mm, float16.  For each name N of `changes`: disc|N, and scores|N = geometric accuracy,
uniformity, ghosting, sharpness; for some again|N, with other noise, and snr|N.  kspace|disc, kspace|resolution and
kspace|contrast of the tool's phantoms without noise, at every 8th sample.  resolution|B, lines|B by the blur [pixels];
contrast|S, spokes|S by the standard deviation of the noise.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from digital_phantom import disk_phantom, low_contrast_phantom, resolution_phantom
from evaluation_metrics import (
    geometric_accuracy,
    high_contrast_resolution,
    intensity_uniformity,
    low_contrast_detectability,
    percentage_ghosting,
    sharpness,
    snr_dual_image,
)
from scipy.ndimage import gaussian_filter, zoom

SHAPE, FOV, RADIUS, INTENSITY = (96, 96), (240.0, 240.0), (80.0, 80.0), 0.5
RADII, CONTRAST, HOLES = (1.5, 6.0), 0.4, (1.5, 1.5)


def main() -> None:
    """Score and store."""
    np.random.seed(0)
    stored: dict[str, np.ndarray] = {}

    def noisy() -> np.ndarray:
        return np.abs(disk_phantom(FOV, RADIUS, matrix_size=SHAPE, intensity=INTENSITY, noise_std=0.02)[1])

    ghost = np.roll(noisy(), 40, axis=1)
    shade = 1 + 0.3 * np.linspace(-1, 1, SHAPE[0])[:, None]
    changes = {
        "plain": lambda one: one,
        "blurred": lambda one: gaussian_filter(one, 1.2),
        "shaded": lambda one: one * shade,
        "ghost": lambda one: one + 0.1 * ghost,
        "longer": lambda one: zoom(one, (1.1, 1.0), order=1)[5:101],
    }
    for name, change in changes.items():
        first, second = (np.float64(np.float16(change(noisy()))) for _ in range(2))
        uniform = intensity_uniformity(first, FOV, RADIUS, (0, 0), INTENSITY)[1]
        scores = [geometric_accuracy(first, FOV, RADIUS, (0, 0)), uniform]
        scores += [percentage_ghosting(first, FOV, (0, 0), INTENSITY), sharpness(first, FOV, RADIUS, (0, 0))[0]]
        stored |= {f"disc|{name}": np.float16(first), f"scores|{name}": np.array(scores)}
        if name in ("plain", "blurred"):
            stored[f"again|{name}"] = np.float16(second)
            stored[f"snr|{name}"] = np.float64(snr_dual_image(first, second, FOV, RADIUS, (0, 0)))
    kspaces = {
        "disc": disk_phantom(FOV, (30.0, 30.0), (12.0, -20.0), matrix_size=SHAPE, intensity=INTENSITY)[0],
        "resolution": resolution_phantom(FOV, (4.0, 4.0), matrix_size=SHAPE, intensity=INTENSITY, noise_std=0)[0],
        "contrast": low_contrast_phantom(
            FOV, RADII, matrix_size=SHAPE, intensity=INTENSITY, contrast=CONTRAST, noise_std=0
        )[0],
    }
    stored |= {f"kspace|{name}": np.complex64(one[::8, ::8]) for name, one in kspaces.items()}
    for blur in (0.0, 1.0, 1.3):
        image = resolution_phantom(FOV, HOLES, matrix_size=SHAPE, intensity=INTENSITY, noise_std=0.02)[1]
        image = np.float64(np.float16(gaussian_filter(np.abs(image), blur)))
        stored[f"resolution|{blur}"] = np.float16(image)
        lines = high_contrast_resolution(image, FOV, HOLES, plot=False)[1]
        stored[f"lines|{blur}"] = np.array(lines, np.int64)
    for noise in (0.05, 0.1):
        image = low_contrast_phantom(
            FOV, RADII, matrix_size=SHAPE, intensity=INTENSITY, contrast=CONTRAST, noise_std=noise
        )[1]
        image = np.float64(np.float16(np.abs(image)))
        stored[f"contrast|{noise}"] = np.float16(image)
        spokes = low_contrast_detectability(
            image, FOV, RADII, (0, 0), intensity=INTENSITY, contrast=CONTRAST, noise_std=noise
        )[0]
        stored[f"spokes|{noise}"] = np.int64(spokes)
    for name, value in stored.items():
        if not name.startswith(("disc", "again", "kspace", "resolution", "contrast")):
            print(name, value)
    np.savez_compressed(Path(__file__).with_name("iq_scores.npz"), **stored)


if __name__ == "__main__":
    main()
