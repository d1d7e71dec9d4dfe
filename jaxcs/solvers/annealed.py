"""Draw an image from its distribution given the data: denoise, condition on the data, add less noise, and repeat.

Decoupled annealing posterior sampling (Zhang et al., CVPR 2025, arXiv:2407.01521).  At each noise level sigma:

    x0 ~ p(x0 | x, y),  p(x0 | x) taken as Gaussian about the denoised image,    x = x0 + (next sigma) noise.

If x has the distribution of x0 + sigma noise given the data, so has the next x; hence errors do not add up as they do
along a trajectory.  For Gaussian images the denoiser is linear and all of it is exact.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from jaxcs.types import Key

# The exponent that spaces the noise levels, as published by Karras et al. (NeurIPS 2022, arXiv:2206.00364).
_SPACING = 7


def noise_levels(first: float, last: float, steps: int) -> np.ndarray:
    """Compute the noise levels of table 1 of Karras et al., from `first` down to `last`, as (steps,) float32."""
    ends = [float(end ** (1 / _SPACING)) for end in (first, last)]
    levels: np.ndarray = (np.linspace(ends[0], ends[1], steps) ** _SPACING).astype(np.float32)
    return levels


def annealed(
    image_given: Callable[[Array, Array, Key], Array],
    draw: Callable[[Key], Array],
    levels: np.ndarray,
    key: Key,
) -> Array:
    """Sample along falling noise levels, differentiable in what the callables close over.

    The backward pass keeps one image for each noise level, and computes all else again.

    Args:
        image_given: (noisy image, sigma, key) -> clean image, drawn given the noisy image and the data.
        draw: key -> noise of variance 1.
        levels: (steps,) noise levels, falling.
        key: random key of all draws.

    Returns:
        The noisy image of the last noise level, to be denoised.
    """
    first, *keys = jax.random.split(key, len(levels))

    @jax.checkpoint
    def step(x: Array, now: tuple[Array, Array, Key]) -> tuple[Array, None]:
        sigma, after, key = now
        image_key, noise_key = jax.random.split(key)
        return image_given(x, sigma, image_key) + after * draw(noise_key), None

    along = (jnp.asarray(levels[:-1]), jnp.asarray(levels[1:]), jnp.stack(keys)) if keys else None
    x = levels[0] * draw(first)
    return x if along is None else jax.lax.scan(step, x, along)[0]
