"""Let CVXPY minimise shearlets and total generalised variation with exact data, and store the minima beside this file.

The stored minima are the reference of test_shearlets.py.  The problem is written as matrices; only the shearlets'
windows, which have a reference of their own, come from `jaxcs`.  To make the file anew:

    pip install cvxpy==1.9.3
    python -m tests.parity.make_cvxpy_shearlets

kspace, mask, maps: the problem.  For each name: x, the complex minimiser; objective.
"""

from __future__ import annotations

from pathlib import Path

import cvxpy
import numpy as np
from scipy.sparse import csr_array, eye_array, kron

from tests.jaxcs.test_recon import measurement
from tests.parity.make_cvxpy_shifts import matrix, sample

SHAPE, LEVELS, LAM, ALPHA = (16, 16), (1,), 0.3, (1.0, 1.5)


def coefficients(window):
    """One band of shearlets."""
    return lambda image: np.fft.ifft2(window * np.fft.fft2(image))


def differences(n):
    """The periodic forward difference of a line."""
    return np.roll(np.eye(n), 1, axis=1) - np.eye(n)


def lengths(parts):
    """The sum of the lengths of vectors, whose entries are given as expressions."""
    return cvxpy.sum(
        cvxpy.norm(cvxpy.vstack([part for one in parts for part in (cvxpy.real(one), cvxpy.imag(one))]), 2, axis=0)
    )


def main() -> None:
    """Solve and store."""
    from jaxcs.operators.shearlet_windows import windows

    m = measurement(SHAPE, 1, seed=3, noise=0.0)
    kspace, mask, maps = (np.asarray(value) for value in m)
    a, y = matrix(sample(np.ones_like(maps, complex), mask), SHAPE), kspace[..., mask].ravel().astype(np.complex128)
    stored = {"kspace": kspace, "mask": mask, "maps": maps}
    x = cvxpy.Variable(a.shape[1], complex=True)
    field = [cvxpy.Variable(a.shape[1], complex=True) for _ in SHAPE]
    down = csr_array(kron(differences(SHAPE[0]), eye_array(SHAPE[1])))
    right = csr_array(kron(eye_array(SHAPE[0]), differences(SHAPE[1])))
    first = lengths([down @ x - field[0], right @ x - field[1]])
    back_down, back_right = -down.T, -right.T
    mixed = (back_right @ field[0] + back_down @ field[1]) / 2
    second = lengths([back_down @ field[0], back_right @ field[1], mixed, mixed])
    tgv = ALPHA[0] * first + ALPHA[1] * second
    bands = windows("compact", SHAPE, LEVELS, True)[:-1].astype(float)
    sparse = LAM * sum(cvxpy.norm1(matrix(coefficients(band), SHAPE) @ x) for band in bands)
    for name, value in {"tgv": tgv, "shearlets": sparse, "both": sparse + tgv}.items():
        problem = cvxpy.Problem(cvxpy.Minimize(value), [a @ x == y])
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
        print(name, problem.status, problem.value, flush=True)
        stored[f"x_{name}"] = x.value.reshape(SHAPE).astype(np.complex64)
        stored[f"objective_{name}"] = np.float64(problem.value)
        if name != "shearlets":
            stored[f"field_{name}"] = np.stack([part.value.reshape(SHAPE) for part in field]).astype(np.complex64)
    np.savez_compressed(Path(__file__).with_name("cvxpy_shearlets.npz"), **stored)


if __name__ == "__main__":
    main()
