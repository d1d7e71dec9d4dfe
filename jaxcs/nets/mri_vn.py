"""The variational network of Hammernik et al. (MRM 79:3055, 2018), for given coil sensitivity maps.

Each of its stages is a step of gradient descent on a learned regulariser and on the data's misfit:

    u <- u - 1 / N sum_k K_k^T phi_k(K_k u) - lambda A^H (A u - y),    u = A^H y at the beginning.

K_k is a real convolution of real and imaginary part to one channel, and phi_k a sum of Gaussians (`rbf.py`).  Beyond
its border the image is continued by its mirror image.  K_k^T is the transposed convolution on this larger grid, of
which the image is the part within the border.  It is not the adjoint of the continuation.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from jaxcs.complex import safe_sqrt
from jaxcs.nets.convolution import convolve
from jaxcs.nets.net import Net
from jaxcs.nets.rbf import centres, gaussian_activation
from jaxcs.operators import Sense
from jaxcs.types import Image, Key, Kspace, Maps, Mask, Params

Padding = Literal["symmetric", "reflect"]
# The published start: each activation is about 0.04 times the identity.
_LINEAR = 0.04


def mri_vn(
    stages: int = 10,
    filters: int = 24,
    size: int = 11,
    gaussians: int = 31,
    padding: Padding = "symmetric",
    constrained: bool = True,
) -> Net:
    """Build the network (kspace, mask, maps) -> complex image (ny, nx).

    The activations vanish far outside [-1, 1], so the scale of the image matters: its peak should be near 1.

    Args:
        stages: number of stages.
        filters: number N of filters in each stage.
        size: side of the filters, an odd number [pixels].
        gaussians: number of Gaussians of each activation.
        padding: "symmetric" repeats the pixels at the border, as in the published code; "reflect" does not.
        constrained: whether `apply` takes the parameters through `constrain` first.
    """

    def init(key: Key) -> Params:
        kernel = jax.random.normal(key, (stages, size, size, 2, filters), jnp.float32) / size
        weights = _LINEAR * jnp.asarray(centres(gaussians)[0])
        return {
            "kernel": kernel - jnp.mean(kernel, (1, 2), keepdims=True),
            "activation": jnp.tile(weights[:, None], (stages, 1, filters)),
            "data_consistency": jnp.ones(stages, jnp.float32),
        }

    def apply(params: Params, kspace: Kspace, mask: Mask, maps: Maps) -> Image:
        a = Sense(maps, mask)
        zero_filled = a.adjoint(kspace)

        def stage(image: Image, weights: Params) -> tuple[Image, None]:
            misfit = a.normal(image) - zero_filled
            step = _regulariser_gradient(weights["kernel"], weights["activation"], image, padding)
            return image - step - weights["data_consistency"] * misfit, None

        return lax.scan(stage, zero_filled, constrain(params) if constrained else params)[0]

    return Net(init, apply)


def constrain(params: Params) -> Params:
    """Project onto the constraints of the published training.

    Real and imaginary part of each filter have zero mean, the norm over both parts is at most 1, and lambda is at least
    0.  The projection is part of the network, so any optimiser may change the parameters.
    """
    kernel = params["kernel"] - jnp.mean(params["kernel"], (-4, -3), keepdims=True)
    norm = safe_sqrt(jnp.sum(kernel**2, (-4, -3, -2), keepdims=True))
    return params | {
        "kernel": kernel / jnp.maximum(norm, 1),
        "data_consistency": jnp.maximum(params["data_consistency"], 0),
    }


def _regulariser_gradient(kernel: Array, activation: Array, image: Image, padding: Padding) -> Image:
    """1 / N sum_k K_k^T phi_k(K_k u).  Convolutions are in the type of the kernel, activations in float32."""
    margin, parts = len(kernel) // 2, jnp.stack([jnp.real(image), jnp.imag(image)], axis=-1)
    wide = jnp.pad(parts, ((2 * margin, 2 * margin), (2 * margin, 2 * margin), (0, 0)), mode=padding)
    # The outermost pixels of a convolution see the zeros beyond its grid.  They are cut off twice.
    z = _without_border(convolve(wide.astype(kernel.dtype), kernel), margin).astype(parts.dtype)
    z = gaussian_activation(z, activation.astype(parts.dtype)).astype(kernel.dtype)
    transposed = jnp.flip(kernel, (0, 1)).swapaxes(-2, -1)
    y = _without_border(convolve(z, transposed), margin).astype(parts.dtype) / kernel.shape[-1]
    return lax.complex(y[..., 0], y[..., 1])


def _without_border(x: Array, margin: int) -> Array:
    return x[margin : x.shape[0] - margin, margin : x.shape[1] - margin]
