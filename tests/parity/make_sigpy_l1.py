"""Let SigPy minimise the l1 and TV problems of `jaxcs.recon`, and store its minimisers next to this file.

The stored minimisers are the reference of test_recon.py.  SigPy's solvers run on this project's operators,
wrapped as `sigpy.linop.Linop`, with SigPy's proximal operators, in double precision.  To make the file anew:

    pip install sigpy==0.1.27
    python -m tests.parity.make_sigpy_l1

For each case: kspace, mask, maps, lam; x, the complex minimiser (on the solver's grid for "padded"); objective.
"""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np
import sigpy

from jaxcs.fourier import centre_crop, centre_pad
from jaxcs.operators import FiniteDifference, Sense
from jaxcs.recon.l1 import Config, sparsifying_transform
from jaxcs.types import Measurement
from tests.jaxcs.test_recon import measurement

LAM = 0.01
SHAPE, PADDED = (24, 32), (22, 29)


class Wrapped(sigpy.linop.Linop):
    """A function and its adjoint as SigPy's linear operator."""

    def __init__(self, forward, adjoint, oshape, ishape):
        self._functions = forward, adjoint
        super().__init__(oshape, ishape)

    def _apply(self, x):
        return np.asarray(self._functions[0](x))

    def _adjoint_linop(self):
        return Wrapped(*self._functions[::-1], self.ishape, self.oshape)


def measure(m: Measurement, grid: tuple[int, int]) -> sigpy.linop.Linop:
    """Make the measurement operator on a grid whose margin it does not see."""
    a = Sense(m.maps.astype(np.complex128), m.mask)
    forward = jax.jit(lambda x: a.forward(centre_crop(x, m.maps.shape[1:])))
    adjoint = jax.jit(lambda y: centre_pad(a.adjoint(y), grid))
    return Wrapped(forward, adjoint, m.kspace.shape, grid)


def minimise_l1(config: Config, m: Measurement) -> tuple[np.ndarray, float]:
    """Minimise by SigPy's accelerated proximal gradient method."""
    psi, grid = sparsifying_transform(config, m.maps.shape[1:])
    a, w = measure(m, grid), Wrapped(jax.jit(psi.forward), jax.jit(psi.adjoint), grid, grid)
    prox = sigpy.prox.UnitaryTransform(sigpy.prox.L1Reg(grid, LAM), w)
    x = np.zeros(grid, np.complex128)
    method = sigpy.alg.GradientMethod(
        lambda x: a.H(a(x) - m.kspace), x, 1.0, proxg=prox, accelerate=True, max_iter=6000, tol=0
    )
    while not method.done():
        method.update()
    return x, 0.5 * np.linalg.norm(a(x) - m.kspace) ** 2 + LAM * np.sum(np.abs(w(x)))


def minimise_tv(m: Measurement) -> tuple[np.ndarray, float]:
    """Minimise by SigPy's primal-dual hybrid gradient method, with the data term dualised as well."""
    shape = m.maps.shape[1:]
    a = measure(m, shape)
    difference = FiniteDifference()
    d = Wrapped(jax.jit(difference.forward), jax.jit(difference.adjoint), (2, *shape), shape)
    stack = sigpy.linop.Vstack([a, d])
    n_data = m.kspace.size

    def dual_prox(sigma, u):
        data = (u[:n_data] - sigma * m.kspace.ravel()) / (1 + sigma)
        field = u[n_data:].reshape(2, *shape)
        field = field / np.maximum(1, np.linalg.norm(field, axis=0) / LAM)
        return np.concatenate([data, field.ravel()])

    x, u = np.zeros(shape, np.complex128), np.zeros(stack.oshape, np.complex128)
    method = sigpy.alg.PrimalDualHybridGradient(
        dual_prox, lambda tau, x: x, stack, stack.H, x, u, tau=1 / 3, sigma=0.99 / 3, max_iter=20000
    )
    while not method.done():
        method.update()
    variation = np.sum(np.linalg.norm(d(x), axis=0))
    return x, 0.5 * np.linalg.norm(a(x) - m.kspace) ** 2 + LAM * variation


def main() -> None:
    """Solve and store all cases."""
    jax.config.update("jax_enable_x64", True)
    stored = {"lam": np.float32(LAM)}
    for name, shape in (("even", SHAPE), ("odd", PADDED)):
        m = Measurement(*map(np.asarray, measurement(shape, 3)))
        stored |= {f"{name}_{field}": value for field, value in m._asdict().items()}
        if name == "even":
            bases = {basis: Config(basis=basis, levels=3) for basis in ("wavelet", "fourier", "dct")}
            results = {basis: minimise_l1(config, m) for basis, config in bases.items()} | {"tv": minimise_tv(m)}
        else:
            results = {"padded": minimise_l1(Config(levels=3), m)}
        for case, (x, objective) in results.items():
            print(case, objective, flush=True)
            stored |= {f"{case}_x": x.astype(np.complex64), f"{case}_objective": objective}
    np.savez_compressed(Path(__file__).with_name("sigpy_l1.npz"), **stored)


if __name__ == "__main__":
    main()
