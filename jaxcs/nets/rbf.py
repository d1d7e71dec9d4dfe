"""Activation functions that are sums of Gaussians, with one weight for each Gaussian and channel.

    phi_c(z) = 0.4 sum_j w_jc exp(-(z - mu_j)^2 / (2 sigma^2))

The centres mu_j are equally spaced from -1 to 1, and sigma is their spacing.  Outside about [-1, 1] an activation
vanishes.  The factor 0.4 is near 1 / sqrt(2 pi), which makes weights w_j = f(mu_j) an approximation of f.  It stands in
the published operator (VLOGroup/optox).
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

FACTOR = 0.4


def centres(count: int) -> tuple[np.ndarray, float]:
    """Return the centres mu_j of `count` Gaussians, at least 2, and their width sigma."""
    return np.linspace(-1, 1, count, dtype=np.float32), 2 / (count - 1)


@jax.custom_vjp
def gaussian_activation(
    z: Float[Array, "*batch channel"], weights: Float[Array, "gaussian channel"]
) -> Float[Array, "*batch channel"]:
    """Apply phi_c to channel c.

    The gradient computes the Gaussians anew.  Autodiff would keep an array of the input's size for each Gaussian.

    Args:
        z: (..., channel) inputs, float32.
        weights: (gaussian, channel) weights, float32.
    """
    mu, sigma = centres(len(weights))
    return FACTOR * sum(w * _gaussian(z - m, sigma) for w, m in zip(weights, mu, strict=True))


def _gaussian(distance: Array, sigma: float) -> Array:
    return jnp.exp(distance**2 * (-0.5 / sigma**2))


# The weights' gradient is needed in training alone.  An attack never asks for it.
def _forward(z: Any, weights: Any) -> tuple[Array, tuple[Array, Array, bool | None]]:
    trained = True if weights.perturbed else None
    return gaussian_activation(z.value, weights.value), (z.value, weights.value, trained)


def _backward(kept: tuple[Array, Array, bool | None], gradient: Any) -> tuple[Array, Array]:
    z, weights, trained = kept
    mu, sigma = centres(len(weights))
    slope = sum(w * (m - z) * _gaussian(z - m, sigma) for w, m in zip(weights, mu, strict=True))
    to_input = gradient * slope * (FACTOR / sigma**2)
    if trained is None:
        return to_input, jnp.zeros_like(weights)
    pixels = tuple(range(z.ndim - 1))
    # One Gaussian after another: all of them together would be as large as what is not kept.
    to_weights = lax.map(lambda m: FACTOR * jnp.sum(gradient * _gaussian(z - m, sigma), pixels), jnp.asarray(mu))
    return to_input, to_weights


gaussian_activation.defvjp(_forward, _backward, symbolic_zeros=True)
