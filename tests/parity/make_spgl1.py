"""Let spgl1 solve basis pursuit denoising, and store its solution beside this file.

The stored solution is the reference of test_bpdn.py.  The measurement is written without `jaxcs`: NumPy's
transform and PyWavelets' wavelets.  To make the file anew:

    pip install spgl1==0.0.3
    python -m tests.parity.make_spgl1

kspace, mask, maps, delta: the problem.  x: complex image; objective: its l1 norm; residual: its distance from the data.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pywt
import spgl1

from tests.jaxcs.test_recon import measurement
from tests.parity.make_cvxpy_shifts import matrix, sample

SHAPE, N_COILS, DELTA, WAVELET, LEVELS = (32, 24), 3, 0.3, "db2", 3


def coefficients(image):
    """PyWavelets' coefficients."""
    return pywt.coeffs_to_array(pywt.wavedec2(image, WAVELET, mode="periodization", level=LEVELS))[0]


def main() -> None:
    """Solve and store."""
    m = measurement(SHAPE, N_COILS, seed=5, noise=0.002)
    kspace, mask, maps = (np.asarray(value) for value in m)
    psi = matrix(coefficients, SHAPE)
    a = matrix(sample(maps.astype(np.complex128), mask), SHAPE) @ psi.T
    y = kspace[..., mask].ravel().astype(np.complex128)
    z, residual, _, _ = spgl1.spg_bpdn(a, y, DELTA, iscomplex=True, iter_lim=3000, bp_tol=1e-7, opt_tol=1e-6)
    print(np.linalg.norm(y), np.abs(z).sum(), np.linalg.norm(residual))
    np.savez_compressed(
        Path(__file__).with_name("spgl1.npz"),
        kspace=kspace,
        mask=mask,
        maps=maps,
        delta=np.float32(DELTA),
        x=(psi.T @ z).reshape(SHAPE).astype(np.complex64),
        objective=np.float64(np.abs(z).sum()),
        residual=np.float64(np.linalg.norm(residual)),
    )


if __name__ == "__main__":
    main()
