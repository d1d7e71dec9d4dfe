"""The network MoDL (Aggarwal, Mani & Jacob, IEEE Trans. Med. Imaging 38:394, 2019, arXiv:1712.02862).

It alternates a denoiser D and the exact step of data consistency, from the zero-filled image x = A^H y:

    z = D(x),    x = (A^H A + weight)^-1 (A^H y + weight z).

All iterations share the denoiser's parameters and the weight, which is learned.  The published code has batch
normalisation in the denoiser; here each image is reconstructed alone, and there is none.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxcs.nets.net import Net
from jaxcs.nets.residual import residual_cnn
from jaxcs.operators import Sense
from jaxcs.operators.row_inverse import RowInverse
from jaxcs.solvers import cg, hermitian_solve
from jaxcs.types import Image, Key, Params

# The published start of the weight.
_WEIGHT = 0.05


def modl(iterations: int = 10, layers: int = 5, channels: int = 64, cg_iters: int = 10) -> Net:
    """Build the network (zero-filled image, Sense, inverse) -> complex image (ny, nx).

    The denoiser is not linear in scale: the zero-filled image should have a peak near 1.

    Args:
        iterations: number of denoising and data consistency steps.
        layers: convolutions of the denoiser.
        channels: channels between these convolutions.
        cg_iters: iterations of conjugate gradients if `inverse` is None, and the data consistency is then approximate.
            Its gradient is that of the exact step.
    """
    denoiser = residual_cnn(layers, channels)

    def init(key: Key) -> Params:
        network = denoiser.init(key)
        # Training begins with z = x, near the image of SENSE.
        last = f"layer{layers - 1}"
        network[last] = jax.tree.map(jnp.zeros_like, network[last])
        return {"denoiser": network, "log_weight": jnp.log(jnp.float32(_WEIGHT))}

    def apply(params: Params, zero_filled: Image, sense: Sense, inverse: RowInverse | None) -> Image:
        weight = weight_of(params)

        def normal(x: Image) -> Image:
            return sense.normal(x) + weight * x

        def consistent(b: Image) -> Image:
            if inverse is None:
                return cg(normal, b, cg_iters)
            return hermitian_solve(normal, b, partial(inverse.solve, sense))

        def iteration(x: Array, _: None) -> tuple[Array, None]:
            return consistent(zero_filled + weight * (x + denoiser.apply(params["denoiser"], x))), None

        return lax.scan(iteration, zero_filled, None, iterations)[0]

    return Net(init, apply)


def weight_of(params: Params) -> Float[Array, ""]:
    """Return the weight of the denoised image against the data, relative to ||A||^2 <= 1."""
    weight: Array = jnp.exp(params["log_weight"].astype(jnp.float32))
    return weight
