"""Store windows of pyshearlab beside this file, the reference of test_shearlets.py.

pyshearlab is GPL-3 and is only run, as a program that gives numbers.  To make the file anew, with pyshearlab on the
path and a NumPy of its time (numpy==1.23.5, scipy<1.12):

    python tests/parity/make_shearlets.py

shape, levels: of the system.  rows, columns: frequencies on the uncentred grid.  windows: (band, frequency), float32.
bands: (cone, scale, shear) of each; the last is the low-pass, 0.  spectrum: sum of squares, (frequency,).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyshearlab

SHAPE, LEVELS, COUNT = (192, 192), (1, 1, 2), 250


def main() -> None:
    """Run and store."""
    system = pyshearlab.SLgetShearletSystem2D(0, *SHAPE, len(LEVELS), np.array(LEVELS))
    windows = np.fft.ifftshift(system["shearlets"], axes=(0, 1))
    print(windows.shape, "largest imaginary part", np.abs(windows.imag).max())
    # Low frequencies are few, so they are taken more often than others.
    rng = np.random.default_rng(0)
    radius, angle = rng.random(COUNT) * 96, 2 * np.pi * rng.random(COUNT)
    rows, columns = (np.round(radius * wave(angle)).astype(int) for wave in (np.sin, np.cos))
    picked = windows[rows, columns].real.T
    np.savez_compressed(
        Path(__file__).with_name("shearlets.npz"),
        shape=SHAPE,
        levels=LEVELS,
        rows=rows.astype(np.int16),
        columns=columns.astype(np.int16),
        bands=system["shearletIdxs"].astype(np.int8),
        windows=picked.astype(np.float32),
        spectrum=np.sum(picked**2, axis=0).astype(np.float32),
    )


if __name__ == "__main__":
    main()
