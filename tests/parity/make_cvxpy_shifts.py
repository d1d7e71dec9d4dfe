"""Let CVXPY minimise l1 problems with wavelets on several shifts, and store its minimisers next to this file.

The stored minimisers are the reference of test_cycle_spun.py.  The problem is written without `jaxcs`: the data
term by NumPy's transform, the wavelets by PyWavelets, both as matrices.  To make the file anew:

    pip install cvxpy==1.9.3
    python -m tests.parity.make_cvxpy_shifts

kspace, mask, maps, lam: the problem.  For each number of shifts: x, the complex minimiser; objective.
"""

from __future__ import annotations

from pathlib import Path

import cvxpy
import numpy as np
import pywt

from tests.jaxcs.test_recon import measurement

SHAPE, N_COILS, LAM, WAVELET, LEVELS = (16, 16), 2, 0.01, "db2", 2
# The same shifts as jaxcs.operators.cycle_spun.spread_shifts gives for two levels.
SHIFTS = {2: ((0, 0), (3, 3)), 4: ((0, 0), (1, 2), (2, 1), (3, 3))}


def matrix(function, shape):
    """Compute the matrix of a linear function of flattened images of this shape."""
    units = np.eye(np.prod(shape)).reshape(-1, *shape)
    return np.stack([np.ravel(function(unit)) for unit in units], axis=1)


def sample(maps, mask):
    """Make the function that measures the samples of all coils."""

    def of(image):
        shifted = np.fft.ifftshift(maps * image, axes=(-2, -1))
        return np.fft.fftshift(np.fft.fft2(shifted, norm="ortho"), axes=(-2, -1))[..., mask]

    return of


def coefficients(shift):
    """Make the function that computes PyWavelets' coefficients of the image rolled by a shift."""

    def of(image):
        found = pywt.wavedec2(np.roll(image, shift, (0, 1)), WAVELET, mode="periodization", level=LEVELS)
        return pywt.coeffs_to_array(found)[0]

    return of


def main() -> None:
    """Solve and store."""
    m = measurement(SHAPE, N_COILS, seed=1, noise=0.02)
    kspace, mask, maps = (np.asarray(value) for value in m)
    a, y = matrix(sample(maps.astype(np.complex128), mask), SHAPE), kspace[..., mask].ravel().astype(np.complex128)
    stored = {"kspace": kspace, "mask": mask, "maps": maps, "lam": np.float32(LAM)}
    for count, shifts in SHIFTS.items():
        x = cvxpy.Variable(a.shape[1], complex=True)
        penalty = sum(cvxpy.norm1(matrix(coefficients(shift), SHAPE) @ x) for shift in shifts) / count
        # The objective is scaled, because interior-point methods stop at absolute errors.
        problem = cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(a @ x - y) / (2 * LAM) + penalty))
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
        print(count, problem.status, LAM * problem.value, flush=True)
        stored[f"x_{count}"] = x.value.reshape(SHAPE).astype(np.complex64)
        stored[f"objective_{count}"] = np.float64(LAM * problem.value)
    np.savez_compressed(Path(__file__).with_name("cvxpy_shifts.npz"), **stored)


if __name__ == "__main__":
    main()
