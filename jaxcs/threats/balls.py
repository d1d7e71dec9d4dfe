"""Threat sets: which perturbations an attacker may choose from.

All are balls {e : e = 0 outside the support, ||e|| <= radius} in the l2 norm, over everything at once or coil by coil.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Inexact

from jaxcs.complex import abs2, safe_sqrt
from jaxcs.types import Key


@partial(jax.tree_util.register_dataclass, data_fields=("radius", "support"), meta_fields=("real", "domain"))
@dataclass(frozen=True)
class Threat:
    """A ball of perturbations shaped like `support`.

    radius: () for one ball, or (coil, 1, 1) for one ball a coil, in the units of what is perturbed.
    support: bool, True where a perturbation may be non-zero: (coil, ny, nx) in k-space, (ny, nx) in the image domain.
    real: whether perturbations are real numbers, such as angles or pixels, and not complex ones.
    domain: "kspace" or "image" if that is what is perturbed, so that a perturbation has rows; None if not.
    """

    radius: Float[Array, "*parts"]
    support: Bool[Array, "*axes"]
    real: bool = False
    domain: Literal["kspace", "image"] | None = None

    def norm(self, delta: Inexact[Array, "*axes"]) -> Float[Array, "*parts"]:
        """The norm that `radius` bounds, shaped like it."""
        axes = None if self.radius.ndim == 0 else (-2, -1)
        return safe_sqrt(jnp.sum(abs2(delta), axis=axes, keepdims=self.radius.ndim > 0))

    def project(self, delta: Inexact[Array, "*axes"]) -> Inexact[Array, "*axes"]:
        """The nearest perturbation in the set."""
        delta = jnp.where(self.support, delta, 0)
        size = self.norm(delta)
        outside = size > self.radius
        return delta * jnp.where(outside, self.radius / jnp.where(outside, size, 1.0), 1.0)

    def boundary(self, direction: Inexact[Array, "*axes"]) -> Inexact[Array, "*axes"]:
        """The largest perturbation along `direction`, which maximises Re<direction, e> over the set."""
        direction = jnp.where(self.support, direction, 0)
        size = self.norm(direction)
        return direction * jnp.where(size > 0, self.radius / jnp.where(size > 0, size, 1.0), 0.0)

    def random(self, key: Key) -> Inexact[Array, "*axes"]:
        """White Gaussian noise on the support, scaled onto the boundary."""
        dtype = jnp.float32 if self.real else jnp.complex64
        return self.boundary(jax.random.normal(key, self.support.shape, dtype))


def measured(epsilon: Float[Array, ""], kspace: Array, mask: Array) -> Threat:
    """Perturbations of the measured entries with ||e|| <= epsilon ||M y||, all coils together (the default)."""
    support = jnp.broadcast_to(mask, kspace.shape)
    return Threat(epsilon * _size(jnp.where(support, kspace, 0)), support, domain="kspace")


def whole_kspace(epsilon: Float[Array, ""], kspace: Array, mask: Array) -> Threat:
    """Perturbations of all of k-space with ||e|| <= epsilon ||y||, y the fully sampled data.

    What falls on entries that are never measured is spent for nothing.  The ICML 2021 code measured epsilon so.
    """
    del mask
    return Threat(epsilon * _size(kspace), jnp.ones(kspace.shape, bool), domain="kspace")


def per_coil(epsilon: Float[Array, ""], kspace: Array, mask: Array) -> Threat:
    """Perturbations of the measured entries with ||e_i|| <= epsilon ||M y_i|| in every coil i.

    The set that Morshuis et al. (2022) meant, with the exact projection.
    """
    support = jnp.broadcast_to(mask, kspace.shape)
    size = safe_sqrt(jnp.sum(abs2(jnp.where(support, kspace, 0)), axis=(-2, -1), keepdims=True))
    return Threat(epsilon * size, support, domain="kspace")


def whitened(epsilon: Float[Array, ""], kspace: Array, mask: Array, factor: Inexact[Array, "coil coil"]) -> Threat:
    """Perturbations u of the whitened data, measured as L u, with ||u|| <= epsilon ||L^-1 M y||.

    factor: L, lower triangular, with the covariance L L^H of the coils' thermal noise.  A random member is then noise
    as the scanner makes it, and a perturbation is small if noise is as likely to be larger.
    """
    support = jnp.broadcast_to(mask, kspace.shape)
    flat = jnp.where(support, kspace, 0).reshape(kspace.shape[0], -1)
    size = _size(jax.scipy.linalg.solve_triangular(factor, flat, lower=True))
    return Threat(epsilon * size, support, domain="kspace")


def image(epsilon: Float[Array, ""], reference: Float[Array, ""], shape: tuple[int, ...]) -> Threat:
    """Perturbations r of the image, measured as A r, with ||r|| <= epsilon * reference (Antun et al., PNAS 2020).

    reference: the norm of the image that epsilon is relative to.
    """
    return Threat(epsilon * reference, jnp.ones(shape, bool), domain="image")


def _size(x: Array) -> Array:
    return safe_sqrt(jnp.sum(abs2(x)))
