"""ESPIRiT coil sensitivities: one set of maps from calibration data (Uecker et al., MRM 71:990, 2014).

Section numbers below are the paper's.  The kernels that span the calibration data's row space (3.1) act on an image
point by point as a small matrix G(r) (3.2, eq. 10); the coil maps at r are its eigenvector of eigenvalue 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from jaxcs.complex import abs2, safe_sqrt
from jaxcs.fourier import centre_crop
from jaxcs.types import Kspace, Maps

_HIGHEST = jax.lax.Precision.HIGHEST


@dataclass(frozen=True)
class EspiritConfig:
    calibration_width: int = 24
    kernel_width: int = 6
    threshold: float = 0.02
    crop: float = 0.8
    n_iters: int = 30


def check_calibration(acs_shape, config):
    if min(acs_shape) < config.kernel_width:
        raise ValueError(f"ESPIRiT needs at least {config.kernel_width} fully sampled centre lines, the mask has {min(acs_shape)}; raise the centre fraction")
    return tuple(min(n, config.calibration_width) for n in acs_shape)


@partial(jax.jit, static_argnums=(1, 2))
def espirit(kspace: Kspace, calibration_shape: tuple[int, int], config: EspiritConfig = EspiritConfig()) -> Maps:
    coils, ny, nx = kspace.shape
    width = config.kernel_width
    acs = centre_crop(kspace, calibration_shape)
    my, mx = calibration_shape
    blocks = jnp.stack([acs[:, i:my - width + 1 + i, j:mx - width + 1 + j].reshape(coils, -1) for i in range(width) for j in range(width)], 1)
    a = blocks.reshape(coils * width * width, -1)  # transposed calibration matrix
    gram = jnp.matmul(jnp.conj(a), a.T, precision=_HIGHEST)
    values, vectors = jnp.linalg.eigh(gram)
    keep = values > config.threshold**2 * values[-1]
    v = vectors * keep
    projector = jnp.matmul(jnp.conj(v), v.T, precision=_HIGHEST).reshape(coils, width, width, coils, width, width)
    # lags
    n_lags = 2 * width - 1
    lags = jnp.zeros((coils, coils, n_lags, n_lags), kspace.dtype)
    for i in range(width):
        for j in range(width):
            lags = lags.at[:, :, i:i + width, j:j + width].add(jnp.transpose(projector[:, i, j][:, :, ::-1, ::-1], (0, 1, 2, 3)))
    lags = lags / width**2
    ey = _phases(ny, width)
    ex = _phases(nx, width)
    half = jnp.einsum("abij,xj->abix", lags, ex, precision=_HIGHEST)
    cov = jnp.matmul(acs.reshape(coils, -1), jnp.conj(acs.reshape(coils, -1)).T, precision=_HIGHEST)
    principal = jnp.linalg.eigh(cov)[1][:, -1]
    def row(e):
        g = jnp.einsum("abix,i->abx", half, e, precision=_HIGHEST)
        s = jnp.ones((coils, nx), kspace.dtype) 
        s = jnp.broadcast_to((principal)[:, None], (coils, nx))
        def body(_, s):
            t = jnp.sum(g * s[None], 1)
            n = jnp.sqrt(jnp.sum(abs2(t), 0) + 1e-30)
            return t / n
        s = jax.lax.fori_loop(0, config.n_iters, body, s)
        value = jnp.sqrt(jnp.sum(abs2(jnp.sum(g * s[None], 1)), 0))
        phase = jnp.sum(s * jnp.conj(principal)[:, None], 0)
        s = s * jnp.conj(phase) / jnp.maximum(jnp.abs(phase), 1e-20)
        return jnp.where(value > config.crop, s, 0)
    maps = jax.lax.map(row, ey)
    return jnp.swapaxes(maps, 0, 1)


def _phases(n, width):
    r = np.arange(n) - n // 2
    d = np.arange(-width + 1, width)
    return jnp.asarray(np.exp(2j * np.pi * np.outer(r, d) / n).astype(np.complex64))
