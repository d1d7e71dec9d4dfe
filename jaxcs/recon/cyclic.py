"""Cyclic consistency around any method: the data are moved a little before, so that their image agrees with itself.

After Saberi, Zhang & Akcakaya, "Training-Free Adversarial Robustness in Computational MRI", ICML 2026
(arXiv:2501.01908).  The image of the data y is measured again with another mask D of as many samples, and reconstructed
again.  Without an attack the second image has the data of the first.  So

    minimise over ||r|| <= cyclic_radius ||M y||    ||M F c(D F c(y + r)) - (y + r)||^2

by projected gradient descent from r = 0, with c(.) the coil images of the method; f(y + r) is the image.  Each step
draws a mask of its own.  The publication averages over masks, and moves the network's input in the image; here r is in
the data, where the perturbations of an attack are.

An attack differentiates through all steps ("through"), or attacks the method without the mitigation ("blind").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from jaxcs.complex import abs2, l2_norm, magnitude, unit, value_and_ascent
from jaxcs.fourier import fft2c, image_slice
from jaxcs.nets.varnet import calibration_region
from jaxcs.operators import Sense
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.recon.defence import Defence, DefenceConfig, around
from jaxcs.recon.method import Method, Surrogate
from jaxcs.recon.staged import stages_of
from jaxcs.recon.unet_complex import phase_of
from jaxcs.types import Key, Kspace, Mask, Measurement, Params, Reconstructor, Solution

GRADIENTS = ("through", "blind")
# Length of a step in radii, so that all steps together could cross the ball.
_REACH = 2.5
# A step computes two images, their gradients, and images again for these.
_PASSES_OF_A_STEP = 6
# Added to the key of an image for its masks; a method that draws for itself uses the key as it is.
_MASKS = 0xC7C1E

# (parameters, measurement, key) -> coil images.
Coils = Callable[[Params, Measurement, Key], Array]


@dataclass(frozen=True)
class Cyclic(DefenceConfig):
    """Settings of the mitigation.

    Attributes:
        cyclic: number of gradient steps.
        cyclic_radius: largest change of the data relative to the norm of the measured samples [-].
        cyclic_gradient: "through" lets an attack differentiate through all steps.  "blind" lets it attack the method
            without the mitigation.
    """

    cyclic: int = 5
    cyclic_radius: float = 0.02
    cyclic_gradient: Literal["through", "blind"] = "through"

    def check(self) -> None:
        """Raise ValueError if a setting makes no sense."""
        check_at_least("cyclic", self.cyclic, 1)
        if not 0 < self.cyclic_radius < float("inf"):
            raise ValueError(f"cyclic_radius is {self.cyclic_radius:g}; it must be above 0")
        check_choice("cyclic_gradient", self.cyclic_gradient, GRADIENTS)

    @property
    def problem(self) -> str | None:
        """Why the method cannot be mitigated, or None."""
        if self.inner.check_scan is not None:
            return "cyclic measures again with other masks, and the network is for one mask"
        inner = self.inner
        if self.cyclic_gradient == "through" and (inner.fitted or inner.settles or not inner.trained):
            return (
                "only networks that are not iterated until they settle have the second derivatives of a gradient "
                "through the steps; set cyclic_gradient=blind"
            )
        return None

    @property
    def words(self) -> str:
        """The mitigation in words, for labels."""
        return f"cyclic {self.cyclic}" + (" attacked blindly" if self.cyclic_gradient == "blind" else "")

    @property
    def passes(self) -> int:
        """Reconstructions that an image takes."""
        return 1 + _PASSES_OF_A_STEP * self.cyclic


def other_mask(key: Key, mask: Mask) -> Bool[Array, "..."]:
    """Draw a mask with the same fully sampled centre and as many other samples in random places.

    Args:
        key: random key.
        mask: (nx,) or (ny, nx), True where measured.
    """
    free = ~calibration_region(mask, 0)
    draws = jnp.where(free, jax.random.uniform(key, mask.shape, jnp.float32), jnp.inf).ravel()
    rank = jnp.argsort(jnp.argsort(draws)).reshape(mask.shape)
    return (mask & ~free) | (free & (rank < jnp.sum(mask & free)))


def coils_of(method: Method, config: Any) -> Coils:
    """Build the coil images that a method implies.

    A method that gives a magnitude alone gets the phase of the zero-filled image and the coil maps; outside the part of
    the image that it gives, the zero-filled image is left.

    Args:
        method: the method.
        config: its configuration.
    """
    if method.predict is not None:
        predict = method.predict(config)
        return lambda params, measurement, key: predict(params, measurement).coils
    if method.coils is not None:
        coils = method.coils(config)
        return lambda params, measurement, key: coils(measurement, key)
    apply = method.build(config).apply

    def of(params: Params, measurement: Measurement, key: Key) -> Array:
        image = apply(params, measurement, key)
        seen = Sense(measurement.maps, measurement.mask).adjoint(measurement.kspace)
        place = tuple(image_slice(whole, part) for whole, part in zip(seen.shape, image.shape, strict=True))
        return measurement.maps * phase_of(seen) * magnitude(seen).at[place].set(image)

    return of


def inconsistency(coils: Coils, params: Params, measurement: Measurement, other: Mask, key: Key) -> Array:
    """Compute ||M F c(D F c(y)) - y||^2 / ||y||^2, () [-], 0 for data of zeros.

    Args:
        coils: the coil images of a method.
        params: its parameters.
        measurement: data y with the mask M.
        other: the mask D, shaped like M.
        key: key of the method.
    """
    again = jnp.where(other, fft2c(coils(params, measurement, key)), 0)
    second = fft2c(coils(params, measurement._replace(kspace=again, mask=other), key))
    y = measurement.kspace
    size = jnp.sum(abs2(y))
    error = jnp.sum(abs2(jnp.where(measurement.mask, second - y, 0)))
    return jnp.where(size > 0, error / jnp.where(size > 0, size, 1.0), 0.0)


def mitigated(config: Cyclic, coils: Coils, params: Params, measurement: Measurement, key: Key) -> Kspace:
    """Move the data within the ball until the method is more consistent.

    Args:
        config: the mitigation.
        coils: the coil images of the method.
        params: its parameters.
        measurement: the data.
        key: random key of the masks and of the method.

    Returns:
        (coil, ny, nx) the moved data.
    """
    y = jnp.where(measurement.mask, measurement.kspace, 0)
    radius = config.cyclic_radius * l2_norm(y)

    @jax.checkpoint
    def step(change: Array, place: Array) -> tuple[Array, None]:
        other = other_mask(jax.random.fold_in(key, _MASKS + place), measurement.mask)

        def loss(change: Array) -> Array:
            return inconsistency(coils, params, measurement._replace(kspace=y + change), other, key)

        _, ascent = value_and_ascent(loss)(change)
        ascent = jnp.where(measurement.mask, ascent, 0)
        change = change - _REACH / config.cyclic * radius * unit(ascent)
        outside = l2_norm(change) > radius
        return jnp.where(outside, radius * unit(change), change), None

    change, _ = jax.lax.scan(step, jnp.zeros_like(y), jnp.arange(config.cyclic, dtype=jnp.int32))
    return y + change


def build(method: Method, config: Any) -> Reconstructor:
    """Build the method of which the data are moved first."""
    plain_config = config.plain()
    inner, coils = method.build(plain_config), coils_of(method, plain_config)
    plain = stages_of(inner).solve

    def solve(params: Params, prepared: Any, measurement: Measurement, key: Key) -> Solution:
        kspace = mitigated(config, coils, params, measurement, key)
        return plain(params, prepared, measurement._replace(kspace=kspace), key)

    return around(inner, solve)


def surrogate(method: Method, config: Any) -> Surrogate | None:
    """Return the method without the mitigation for a blind attack, otherwise None."""
    if config.cyclic_gradient != "blind":
        return None
    return Surrogate(lambda params, measurement, key: params, method.build(config.plain()))


def uses_maps(method: Method, config: Any) -> bool:
    """Whether the mitigated method needs coil maps."""
    return (method.predict is None and method.coils is None) or method.uses_maps(config)


DEFENCE = Defence(Cyclic, build, "the masks of the mitigation", surrogate, uses_maps, searched=False)
