"""ESPIRiT coil sensitivities: one set of maps from calibration data (Uecker et al., MRM 71:990, 2014).

The calibration matrix's row space is spanned by few k-space kernels.  Projecting onto it acts on the coil images point
by point as a Hermitian matrix G(r) with eigenvalues in [0, 1], and the maps at r are the eigenvector of eigenvalue 1
(the paper's "eigenvalue decomposition in image space").  BART and SigPy find it by power iteration.  Where coils see a
pixel nearly alike the next eigenvalue is close to 1 and theirs ends unconverged, with maps that are wrong; so ours has
momentum (Xu et al., Accelerated Stochastic Power Iteration, AISTATS 2018, here with the interval adapted).

Because only differences of kernel offsets matter, G(r) is a trigonometric polynomial with (2 kernel_width - 1)^2 terms:
it is evaluated block of rows by block of rows and never stored whole, where both tools transform every kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex

from jaxcs.complex import abs2, safe_sqrt
from jaxcs.fourier import centre_crop
from jaxcs.types import Kspace, Maps

_HIGHEST = jax.lax.Precision.HIGHEST
# Bytes of G(r) in one block of rows: measured a third faster at 8 MiB than at 0.5 to 2 MiB (15 coils of 640 x 368).
_BLOCK_BYTES = 2**23
# With kernels of 2 the row space of up to 4 coils is whole, so that it says nothing of them.  Of 5 columns kernels of 3
# leave out 1 to 7 % of the energy, of 4 columns 4 to 23 %.
_LEAST_KERNEL, _LARGEST_KERNEL = 3, 6
_LEAST_CALIBRATION = 5


@dataclass(frozen=True)
class EspiritConfig:
    """The choices that `ecalib` and `EspiritCalib` offer; the defaults are BART's, but for kernel and convergence.

    calibration_width: largest side of the calibration region.
    kernel_width: side of the kernels; None for the one that suits the region, see `kernel_for`.
    threshold: singular values over this share of the largest span the row space.
    crop: maps are 0 where the eigenvalue is not above this.
    n_iters: of the power method.
    momentum: share of the largest eigenvalue up to which all others are damped as fast as a polynomial of this degree
    can (Chebyshev's); 0 is plain power iteration.
    start: where they begin: the first coil that has signal, or all coils equally.
    """

    calibration_width: int = 24
    kernel_width: int | None = None
    threshold: float = 0.001**0.5
    crop: float = 0.8
    n_iters: int = 60
    momentum: float = 0.99
    start: Literal["first coil", "all coils"] = "first coil"


PRESETS = {
    "converged": EspiritConfig(),
    "bart": EspiritConfig(kernel_width=6, n_iters=30, momentum=0.0),
    "sigpy": EspiritConfig(kernel_width=6, threshold=0.02, crop=0.95, n_iters=100, momentum=0.0, start="all coils"),
}


def kernel_for(calibration_shape: tuple[int, int], config: EspiritConfig) -> int:
    """The side of the kernels: that of `config`, or half the region's smaller side, from 3 to 6."""
    # A kernel that is wide for its region fits into it at too few places to span the row space, and the maps leave out
    # the object; a narrow one takes in more of the noise around it.  Measured on 4 brains, 6 phantoms and 6 images with
    # 12 to 16 simulated coils: kernels of 6 leave out 5 to 70 % of the energy with 8 columns and 0.8 to 6 % with 10,
    # these 0.4 to 4 and 0.3 to 4 %; the fully sampled data combined by the maps gain 7 to 48 and 0.2 to 27 dB in the
    # object.  There they are at most 2.4 dB below the best of 3 to 6, in the median 0.5; l1 of 4 times accelerated data
    # is at most 1.0 dB below that by the best, in the median not at all.
    if config.kernel_width is not None:
        return config.kernel_width
    return min(max(min(calibration_shape) // 2, _LEAST_KERNEL), _LARGEST_KERNEL)


def check_calibration(acs_shape: tuple[int, int], config: EspiritConfig) -> tuple[int, int]:
    """The calibration region (rows, columns) within a fully sampled centre of `acs_shape`.

    Raises ValueError where that centre is smaller than a kernel, or too small for any.
    """
    least = max(kernel_for(acs_shape, config), _LEAST_CALIBRATION)
    if min(acs_shape) < least:
        raise ValueError(
            f"ESPIRiT needs a fully sampled centre of at least {least} x {least}, "
            f"this mask has {acs_shape[0]} x {acs_shape[1]}; raise the centre fraction or give maps"
        )
    return min(acs_shape[0], config.calibration_width), min(acs_shape[1], config.calibration_width)


@partial(jax.jit, static_argnames=("calibration_shape", "config"))
def espirit(kspace: Kspace, calibration_shape: tuple[int, int], config: EspiritConfig) -> Maps:
    """Coil maps (coil, ny, nx) from the central `calibration_shape` of k-space, which must be fully sampled.

    kspace: (coil, ny, nx), in units that keep squares within float32 (divide raw data by their maximum).
    Sum over coils of |maps|^2 is 1 where there is signal and 0 elsewhere.  The phase is that of the calibration data's
    principal coil combination, so that it is smooth.  A coil of zeros gets a map of zeros, and k-space of zeros maps of
    zeros.  Differentiable in kspace, with the choice of kernels, the support and the reference of the phase held fixed
    (the phase of all maps together at a pixel changes no magnitude image).
    """
    n_coils, ny, nx = kspace.shape
    calibration = centre_crop(kspace, calibration_shape)
    kernel = kernel_for(calibration_shape, config)
    lags = _lags(_row_space(calibration, kernel, config.threshold), kernel)
    signals = calibration.reshape(n_coils, -1)
    energy = jnp.sum(abs2(signals), axis=1)
    principal = _principal(jnp.matmul(signals, jnp.conj(signals.T), precision=_HIGHEST))
    first = jax.nn.one_hot(jnp.argmax(energy > 0), n_coils, dtype=jnp.float32)
    start = first if config.start == "first coil" else jnp.ones(n_coils, jnp.float32)

    # G(r) = sum over lags of lags[d] exp(2 pi i r d / n): columns first, for all blocks of rows together.
    columns = jnp.einsum("abij,xj->abix", lags, _phases(nx, kernel), precision=_HIGHEST)
    rows = max(1, min(ny, _BLOCK_BYTES // (n_coils**2 * nx * kspace.dtype.itemsize)))
    row_phases = _phases(ny, kernel)
    padded = np.pad(row_phases, ((0, -ny % rows), (0, 0))).reshape(-1, rows, row_phases.shape[1])

    @jax.checkpoint
    def block(phases: Array) -> Array:
        matrices = jnp.einsum("abix,yi->abyx", columns, phases, precision=_HIGHEST)
        vectors = jnp.broadcast_to(start[:, None, None], (n_coils, *matrices.shape[2:])).astype(kspace.dtype)

        def iterate(last_two: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            v, before = last_two
            product = jnp.sum(matrices * v, axis=1)
            # Eigenvalues in [0, width] shrink alike; the largest is above, because |G v| never exceeds it.
            width = config.momentum * _norm(product)
            following = product - width / 2 * v - width**2 / 16 * before
            scale = _inverse(_norm(following))
            return (following * scale, v * scale), None

        begin = (_unit(vectors)[0], jnp.zeros_like(vectors))
        (vectors, _), _ = jax.lax.scan(iterate, begin, None, length=config.n_iters - 1)
        vectors, value = _unit(jnp.sum(matrices * vectors, axis=1))
        reference = jnp.sum(jnp.conj(principal)[:, None, None] * vectors, axis=0)
        maps = vectors * jnp.conj(_unit(reference[None])[0])
        return jnp.where((value > config.crop) & (energy[:, None, None] > 0), maps, 0)

    blocks = jax.lax.map(block, jnp.asarray(padded))
    return jnp.moveaxis(blocks, 1, 0).reshape(n_coils, -1, nx)[:, :ny]


def _row_space(calibration: Array, width: int, threshold: float) -> Complex[Array, "coil k k coil k k"]:
    """Projector onto the span of the calibration matrix's leading right singular vectors (the paper's V_parallel)."""
    n_coils, my, mx = calibration.shape
    ny, nx = my - width + 1, mx - width + 1
    patches = jnp.stack(
        [calibration[:, i : i + ny, j : j + nx].reshape(n_coils, -1) for i in range(width) for j in range(width)],
        axis=1,
    ).reshape(n_coils * width**2, -1)
    gram = jnp.matmul(patches, jnp.conj(patches.T), precision=_HIGHEST)
    return _projector(gram, threshold**2).reshape(n_coils, width, width, n_coils, width, width)


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def _projector(gram: Array, share: float) -> Array:
    """Projector onto the eigenvectors of a Hermitian matrix whose eigenvalues exceed `share` of the largest."""
    return _projector_forward(gram, share)[0]


def _projector_forward(gram: Array, share: float) -> tuple[Array, tuple[Array, Array, Array]]:
    values, vectors = jnp.linalg.eigh(gram)
    keep = values > share * values[-1]
    kept = vectors * keep
    return jnp.matmul(kept, jnp.conj(kept.T), precision=_HIGHEST), (values, vectors, keep)


def _projector_backward(share: float, residuals: tuple[Array, Array, Array], cotangent: Array) -> tuple[Array]:
    """Only pairs of a kept and a dropped eigenvector move the projector: first-order perturbation theory.

    The derivative of `eigh` itself divides by every difference of eigenvalues, equal ones within the kept included.
    """
    del share
    values, vectors, keep = residuals
    gap = values[:, None] - values[None, :]
    crosses = keep[:, None] != keep[None, :]
    weight = jnp.where(crosses, 1 / jnp.where(crosses, jnp.abs(gap), 1.0), 0.0)
    inner = jnp.conj(vectors.T) @ cotangent.T @ vectors
    return ((vectors @ (weight * inner) @ jnp.conj(vectors.T)).T,)


_projector.defvjp(_projector_forward, _projector_backward)


def _lags(projector: Array, width: int) -> Complex[Array, "coil coil lag lag"]:
    """Sum the projector over pairs of kernel offsets of equal difference, normalised so that eigenvalues are <= 1."""
    n_coils = projector.shape[0]
    lags = jnp.zeros((n_coils, n_coils, 2 * width - 1, 2 * width - 1), projector.dtype)
    # Element (coil a at offset p, coil b at offset q) multiplies exp(2 pi i r (p - q)); reversed, q counts upwards.
    by_offset = projector[..., ::-1, ::-1] / width**2
    for i in range(width):
        for j in range(width):
            lags = lags.at[:, :, i : i + width, j : j + width].add(by_offset[:, i, j])
    return lags


def _phases(n: int, width: int) -> np.ndarray:
    """exp(2 pi i r d / n) for pixels r about the centre and lags d: (n, 2 width - 1)."""
    pixels, lags = np.arange(n) - n // 2, np.arange(1 - width, width)
    return np.exp(2j * np.pi * np.outer(pixels, lags) / n).astype(np.complex64)


def _principal(covariance: Array) -> Array:
    """Dominant eigenvector, as a constant: it only sets the phase, which no magnitude depends on."""
    return jax.lax.stop_gradient(jnp.linalg.eigh(jax.lax.stop_gradient(covariance))[1][:, -1])


def _unit(v: Array) -> tuple[Array, Array]:
    """v divided by its norm over the first axis, 0 where that is 0; and the norm."""
    size = _norm(v)
    return v * _inverse(size), size


def _norm(v: Array) -> Array:
    return safe_sqrt(jnp.sum(abs2(v), axis=0))


def _inverse(size: Array) -> Array:
    """1 / size, 0 where that is 0."""
    return jnp.where(size > 0, 1 / jnp.where(size > 0, size, 1.0), 0.0)
