"""The network MoDL (Aggarwal, Mani & Jacob, IEEE Trans. Med. Imaging 38:394, 2019, arXiv:1712.02862).

It alternates a denoiser D and the exact step of data consistency, from the zero-filled image x = A^H y:

    z = D(x),    x = (A^H A + weight)^-1 (A^H y + weight z).

All iterations share the denoiser's parameters and the weight, which is learned.  The published code has batch
normalisation in the denoiser; here each image is reconstructed alone, and there is none.

SMUG (Liang et al., arXiv:2312.07784) smooths the denoiser in every iteration: z is the mean of D(x + n_i) over Gaussian
noise n_i in the image.
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


def modl(
    iterations: int = 10, layers: int = 5, channels: int = 64, cg_iters: int = 10, noise: float = 0.0, draws: int = 0
) -> Net:
    """Build the network (zero-filled image, Sense, inverse, key) -> complex image (ny, nx).

    The denoiser is not linear in scale: the zero-filled image should have a peak near 1.

    Args:
        iterations: number of denoising and data consistency steps.
        layers: convolutions of the denoiser.
        channels: channels between these convolutions.
        cg_iters: iterations of conjugate gradients if `inverse` is None, and the data consistency is then approximate.
            Its gradient is that of the exact step.
        noise: root mean square magnitude of the smoothing's noise, for an image with a peak near 1 [-].
        draws: number of noisy images that the denoiser sees in each iteration; 0 for no smoothing, and the key then is
            of no use.  The noise of an iteration follows from the key.
    """
    denoiser = residual_cnn(layers, channels)

    def init(key: Key) -> Params:
        network = denoiser.init(key)
        # Training begins with z = x, near the image of SENSE.
        last = f"layer{layers - 1}"
        network[last] = jax.tree.map(jnp.zeros_like, network[last])
        return {"denoiser": network, "log_weight": jnp.log(jnp.float32(_WEIGHT))}

    def apply(
        params: Params, zero_filled: Image, sense: Sense, inverse: RowInverse | None, key: Key | None = None
    ) -> Image:
        weight = weight_of(params)

        def normal(x: Image) -> Image:
            return sense.normal(x) + weight * x

        def consistent(b: Image) -> Image:
            if inverse is None:
                return cg(normal, b, cg_iters)
            return hermitian_solve(normal, b, partial(inverse.solve, sense))

        def denoised(x: Image) -> Image:
            return x + denoiser.apply(params["denoiser"], x)

        # A draw is computed again for its gradient, so that the memory is that of one.
        @jax.checkpoint
        def noisy(x: Image, key: Key) -> Image:
            # Data of zeros have an image of zeros.
            size = jnp.where(jnp.any(zero_filled != 0), jnp.float32(noise), 0.0)
            return denoised(x + size * jax.random.normal(key, x.shape, jnp.complex64))

        def smoothed(x: Image, place: Array) -> Image:
            if draws == 0:
                return denoised(x)
            assert key is not None
            keys = jax.random.split(jax.random.fold_in(key, place), draws)
            return jnp.mean(lax.map(lambda key: noisy(x, key), keys), axis=0)

        def iteration(x: Array, place: Array) -> tuple[Array, None]:
            return consistent(zero_filled + weight * smoothed(x, place)), None

        return lax.scan(iteration, zero_filled, jnp.arange(iterations, dtype=jnp.int32))[0]

    return Net(init, apply)


def weight_of(params: Params) -> Float[Array, ""]:
    """Return the weight of the denoised image against the data, relative to ||A||^2 <= 1."""
    weight: Array = jnp.exp(params["log_weight"].astype(jnp.float32))
    return weight
