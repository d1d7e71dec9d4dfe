"""Calibrate coil maps by BART and by SigPy into espirit.npz next to this file.

The stored maps are the reference of test_espirit.py.  To calibrate anew, with BART 0.8 on the path:

    apt-get install bart && pip install sigpy==0.1.27
    python tests/parity/make_espirit.py

* kspace: (4, 40, 37) complex64, four analytic coils that see an analytic object, and noise.
* sensitivities: (4, 40, 37) complex64, these coils' true maps, with sum over coils of |sensitivities|^2 = 1.
* bart, sigpy: (4, 40, 37) complex64, the tools' maps with their defaults from the central 24 x 24 samples.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import numpy as np

SHAPE = (40, 37)
N_COILS = 4
NOISE = 0.0002  # standard deviation in k-space, relative to the strongest sample


def simulate() -> tuple[np.ndarray, np.ndarray]:
    """Simulate k-space and the true maps."""
    y, x = np.meshgrid(*((np.arange(n) - n // 2) / (n / 2) for n in SHAPE), indexing="ij")
    angles = 2 * np.pi * np.arange(N_COILS) / N_COILS + 0.3
    distances = [(y - 1.2 * np.sin(a)) ** 2 + (x - 1.2 * np.cos(a)) ** 2 for a in angles]
    phases = [1.5 * (y * np.cos(a) - x * np.sin(a)) + 2 * a for a in angles]
    sensitivities = np.array([np.exp(1j * p) / (0.5 + d) for d, p in zip(distances, phases, strict=True)])
    sensitivities /= np.linalg.norm(sensitivities, axis=0)
    body = 1 / (1 + np.exp(25 * (np.hypot(y / 0.8, x / 0.7) - 1)))
    holes = [0.5 * np.exp(-((y - 0.4 * k) ** 2 + (x + 0.3 * k) ** 2) / 0.02) for k in (-1, 0, 1)]
    image = body * (1 - sum(holes)) * np.exp(0.8j * x * y)
    shifted = np.fft.ifftshift(sensitivities * image, axes=(-2, -1))
    kspace = np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))
    noise = np.random.RandomState(0).normal(size=(2, *kspace.shape)) / np.sqrt(2)
    kspace = kspace / np.abs(kspace).max() + NOISE * (noise[0] + 1j * noise[1])
    return kspace.astype(np.complex64), sensitivities.astype(np.complex64)


def bart_maps(kspace: np.ndarray, calibration_shape: tuple[int, int]) -> np.ndarray:
    """Run `bart ecalib -m1` on the central `calibration_shape` samples of (coil, ny, nx).

    All other samples are zeroed, because `ecalib` moves its region along the rows to the position of largest energy.
    """
    centre = np.zeros_like(kspace, np.complex64)
    starts = [n // 2 - width // 2 for n, width in zip(kspace.shape[1:], calibration_shape, strict=True)]
    rows, columns = (slice(a, a + width) for a, width in zip(starts, calibration_shape, strict=True))
    centre[:, rows, columns] = kspace[:, rows, columns]
    n_coils, ny, nx = kspace.shape
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "k.hdr").write_text(f"# Dimensions\n{ny} {nx} 1 {n_coils}{' 1' * 12}\n")
        centre.transpose(1, 2, 0).ravel(order="F").tofile(path / "k.cfl")
        region = f"{calibration_shape[0]}:{calibration_shape[1]}:1"
        command = ["bart", "ecalib", "-m", "1", "-r", region, str(path / "k"), str(path / "maps")]
        subprocess.run(command, check=True, capture_output=True)
        maps = np.fromfile(path / "maps.cfl", np.complex64)
    return maps.reshape((ny, nx, n_coils), order="F").transpose(2, 0, 1)


def sigpy_maps(kspace: np.ndarray, calibration_width: int) -> np.ndarray:
    """Run SigPy's `EspiritCalib` with its defaults."""
    from sigpy.mri.app import EspiritCalib

    return EspiritCalib(kspace, calib_width=calibration_width, show_pbar=False).run()


def main() -> None:
    """Simulate, calibrate and store."""
    kspace, sensitivities = simulate()
    np.savez_compressed(
        Path(__file__).with_name("espirit.npz"),
        kspace=kspace,
        sensitivities=sensitivities,
        bart=bart_maps(kspace, (24, 24)),
        sigpy=sigpy_maps(kspace, 24),
    )


if __name__ == "__main__":
    main()
