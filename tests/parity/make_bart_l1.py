"""Let BART's `pics` solve l1-wavelet and TV problems, and store its images in bart_l1.npz next to this file.

The stored images are the reference of test_recon.py.  To make the file anew, with BART 0.8 on the path:

    python -m tests.parity.make_bart_l1

* mask, lam: the problem, from `measurement((64, 64), 4, noise=0)`.
* haar, dau2, tv: (64, 64, 2) real and imaginary part.

`-w 1` keeps BART from rescaling the data, so that its lambda equals the lambda here.  `-n` keeps it from shifting the
wavelets at random in every iteration, which minimises no fixed objective.  The image with random shifts differs by 10 %
from the image without, and changes by 1 % an iteration.  BART splits bands while they have at least 16 rows and
columns, here three times.  FISTA in BART thresholds first and takes its gradient step of 0.95 afterwards, so that its
image is one step past the minimiser.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from tests.jaxcs.test_recon import measurement

SHAPE, N_COILS, LAM = (64, 64), 4, 0.01
OPTIONS = {
    "haar": ["-n", "--wavelet", "haar", "-R", f"W:3:0:{LAM}", "-i", "1000"],
    "dau2": ["-n", "--wavelet", "dau2", "-R", f"W:3:0:{LAM}", "-i", "1000"],
    "tv": ["-R", f"T:3:0:{LAM}", "-i", "1000"],
}


def write(path: Path, coils: np.ndarray) -> None:
    """Write (coil, ny, nx) as BART's (ny, nx, 1, coil), column by column."""
    array = np.moveaxis(np.asarray(coils, np.complex64), 0, -1)[:, :, None, :]
    path.with_suffix(".hdr").write_text(f"# Dimensions\n{' '.join(map(str, array.shape))}\n")
    array.ravel(order="F").tofile(path.with_suffix(".cfl"))


def main() -> None:
    """Solve and store all cases."""
    m = measurement(SHAPE, N_COILS, noise=0.0)
    stored = {"mask": np.asarray(m.mask), "lam": np.float32(LAM)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "kspace", m.kspace)
        write(folder / "maps", m.maps)
        for case, options in OPTIONS.items():
            command = ["bart", "pics", *options, "-w", "1", "kspace", "maps", case]
            subprocess.run(command, cwd=folder, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
            image = np.fromfile((folder / case).with_suffix(".cfl"), np.complex64).reshape(SHAPE, order="F")
            stored[case] = np.stack([image.real, image.imag], axis=-1).astype(np.float16)
    np.savez_compressed(Path(__file__).with_name("bart_l1.npz"), **stored)


if __name__ == "__main__":
    main()
