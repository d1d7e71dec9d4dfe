"""Threat sets: the perturbations from which an attacker may choose.

All are balls {e : e = 0 outside the support, ||e|| <= radius} in the l2 norm, over all entries or coil by coil.  In the
functions, kspace is (coil, ny, nx) and epsilon has no unit.
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

    Attributes:
        radius: () for one ball, or (coil, 1, 1) for one ball per coil, in the units of the perturbed quantity.
        support: bool, True where a perturbation may be non-zero: (coil, ny, nx) in k-space, (ny, nx) in the image
            domain.
        real: whether perturbations are real numbers, such as angles, pixels or parts of a sinogram.
        domain: "kspace" or "image" if this is perturbed, so that a perturbation has rows; otherwise None.
    """

    radius: Float[Array, "*parts"]
    support: Bool[Array, "*axes"]
    real: bool = False
    domain: Literal["kspace", "image"] | None = None

    def norm(self, delta: Inexact[Array, "*axes"]) -> Float[Array, "*parts"]:
        """Return the norm that `radius` bounds, shaped like the radius."""
        axes = None if self.radius.ndim == 0 else (-2, -1)
        return safe_sqrt(jnp.sum(abs2(delta), axis=axes, keepdims=self.radius.ndim > 0))

    def share(self, delta: Inexact[Array, "*axes"]) -> Float[Array, ""]:
        """Return the norm over the radius [-], of several balls the largest; a ball of radius 0 does not count."""
        some = self.radius > 0
        return jnp.max(jnp.where(some, self.norm(delta) / jnp.where(some, self.radius, 1.0), 0.0))

    def project(self, delta: Inexact[Array, "*axes"]) -> Inexact[Array, "*axes"]:
        """Return the nearest perturbation in the set."""
        delta = jnp.where(self.support, delta, 0)
        size = self.norm(delta)
        outside = size > self.radius
        return delta * jnp.where(outside, self.radius / jnp.where(outside, size, 1.0), 1.0)

    def boundary(self, direction: Inexact[Array, "*axes"]) -> Inexact[Array, "*axes"]:
        """Return the largest perturbation along `direction`, which maximises Re<direction, e> over the set."""
        direction = jnp.where(self.support, direction, 0)
        size = self.norm(direction)
        return direction * jnp.where(size > 0, self.radius / jnp.where(size > 0, size, 1.0), 0.0)

    def random(self, key: Key) -> Inexact[Array, "*axes"]:
        """Return white Gaussian noise on the support, scaled onto the boundary."""
        dtype = jnp.float32 if self.real else jnp.complex64
        return self.boundary(jax.random.normal(key, self.support.shape, dtype))


def measured(epsilon: Float[Array, ""], kspace: Array, mask: Array) -> Threat:
    """Perturbations of the measured samples with ||e|| <= epsilon ||M y||, over all coils together (the default)."""
    support = jnp.broadcast_to(mask, kspace.shape)
    return Threat(epsilon * _size(jnp.where(support, kspace, 0)), support, *_kind(kspace))


def whole_kspace(epsilon: Float[Array, ""], kspace: Array, mask: Array) -> Threat:
    """Perturbations of all of k-space with ||e|| <= epsilon ||y||, where y is the fully sampled data.

    The part on samples that are never measured is wasted.  The ICML 2021 code measured epsilon in this way.
    """
    del mask
    return Threat(epsilon * _size(kspace), jnp.ones(kspace.shape, bool), *_kind(kspace))


def per_coil(epsilon: Float[Array, ""], kspace: Array, mask: Array) -> Threat:
    """Perturbations of the measured samples with ||e_i|| <= epsilon ||M y_i|| in every coil i.

    This is the set that Morshuis et al. (2022) meant, with the exact projection.
    """
    support = jnp.broadcast_to(mask, kspace.shape)
    size = safe_sqrt(jnp.sum(abs2(jnp.where(support, kspace, 0)), axis=(-2, -1), keepdims=True))
    return Threat(epsilon * size, support, *_kind(kspace))


def whitened(epsilon: Float[Array, ""], kspace: Array, mask: Array, factor: Inexact[Array, "coil coil"]) -> Threat:
    """Perturbations u of the whitened data, added as L u, with ||u|| <= epsilon ||L^-1 M y||.

    A random member is noise as the scanner makes it.  A perturbation is small if noise is as likely to be larger.

    Args:
        epsilon: relative size [-].
        kspace: (coil, ny, nx) k-space.
        mask: (nx,) or (ny, nx), True where measured.
        factor: (coil, coil) lower triangular L; L L^H is the covariance of the coils' thermal noise.
    """
    support = jnp.broadcast_to(mask, kspace.shape)
    flat = jnp.where(support, kspace, 0).reshape(kspace.shape[0], -1)
    size = _size(jax.scipy.linalg.solve_triangular(factor, flat, lower=True))
    return Threat(epsilon * size, support, *_kind(kspace))


def image(
    epsilon: Float[Array, ""], reference: Float[Array, ""], shape: tuple[int, ...], *, real: bool = False
) -> Threat:
    """Perturbations r of the image, added to the data as A r, with ||r|| <= epsilon * reference.

    The set is that of Antun et al., PNAS 2020.

    Args:
        epsilon: relative size [-].
        reference: norm of the image to which epsilon is relative.
        shape: (ny, nx) of the image.
        real: whether the image is real, as that of a sinogram is.
    """
    return Threat(epsilon * reference, jnp.ones(shape, bool), real, None if real else "image")


def _kind(kspace: Array) -> tuple[bool, Literal["kspace"] | None]:
    """`real` and `domain`: perturbations of a sinogram are real, and no row of the image is reconstructed by itself."""
    return (False, "kspace") if jnp.iscomplexobj(kspace) else (True, None)


def _size(x: Array) -> Array:
    return safe_sqrt(jnp.sum(abs2(x)))
