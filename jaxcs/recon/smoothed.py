"""Randomised smoothing around any method: the average of its images of the data with fresh Gaussian noise.

    image = average over i of f(y + n_i),    n_i white on the measured samples,  E ||n_i||^2 = (smoothing ||M y||)^2

so that smoothing has the unit of epsilon: noise of smoothing 0.02 is as large as a perturbation of epsilon 0.02.  The
norm ||M y|| is rounded to a power of 1.1, because a certificate needs noise that a perturbation does not change.  The
average is the mean; or the centre of the smallest ball about one of the images that holds more than half of them
(center smoothing, Kumar & Goldstein, NeurIPS 2021, arXiv:2102.09701).  `jaxcs.measures.center_smoothing` certifies
both.

The noise follows from the key, so that the image is a function of the data, and its gradient is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxcs.complex import abs2, l2_norm
from jaxcs.recon.checks import check_at_least, check_choice
from jaxcs.recon.defence import Defence, DefenceConfig, around
from jaxcs.recon.method import Method
from jaxcs.recon.staged import stages_of
from jaxcs.types import Key, Kspace, Measurement, Params, Reconstructor, Solution

# The norm of the data is rounded to a power of this.
_STEP = 1.1
# Added to the key of an image for its noise; a method that draws for itself uses the key as it is.
_NOISE = 0x5E00


@dataclass(frozen=True)
class Smoothing(DefenceConfig):
    """Settings of the smoothing.

    Attributes:
        smoothing: norm of the noise relative to that of the measured samples, all coils together, which is rounded [-].
        draws: number of images that are averaged.
        average: "mean", or "center" for the centre of the smallest ball that holds more than half of the images.
        certify: number of further images from which a certificate is computed, 0 for no certificate.
    """

    smoothing: float = 0.01
    draws: int = 8
    average: Literal["mean", "center"] = "mean"
    certify: int = 0

    def check(self) -> None:
        """Raise ValueError if a setting makes no sense."""
        if not 0 < self.smoothing < float("inf"):
            raise ValueError(f"smoothing is {self.smoothing:g}; it must be above 0")
        check_at_least("draws", self.draws, 1)
        check_choice("average", self.average, AVERAGES)
        check_at_least("certify", self.certify, 0)

    @property
    def words(self) -> str:
        """The smoothing in words, for labels."""
        return f"smoothed {self.smoothing:g}" + ("" if self.average == "mean" else f" by {self.average}")

    @property
    def passes(self) -> int:
        """Reconstructions that an image takes."""
        return self.draws


def rounded(norm: Float[Array, ""]) -> Float[Array, ""]:
    """Return the power of 1.1 that is nearest to a norm, with gradient 0; 0 for 0."""
    norm = jax.lax.stop_gradient(norm)
    power = jnp.round(jnp.log(jnp.where(norm > 0, norm, 1.0)) / math.log(_STEP))
    return jnp.where(norm > 0, jnp.exp(power * math.log(_STEP)), 0.0)


def noise(key: Key, measurement: Measurement, smoothing: float) -> Kspace:
    """Draw white noise on the measured samples.

    Args:
        key: random key.
        measurement: k-space, or a sinogram, whose noise is real.
        smoothing: root mean square of the noise's norm over the rounded norm of the measured samples [-].

    Returns:
        (coil, ny, nx) noise, shaped like the data.
    """
    kspace, support = measurement.kspace, jnp.broadcast_to(measurement.mask, measurement.kspace.shape)
    dtype = jnp.complex64 if jnp.iscomplexobj(kspace) else jnp.float32
    white = jax.random.normal(key, kspace.shape, dtype)
    samples = jnp.maximum(jnp.sum(support, dtype=jnp.float32), 1)
    size = rounded(l2_norm(jnp.where(support, kspace, 0))) / jnp.sqrt(samples)
    return jnp.where(support, smoothing * size * white, 0)


def center(images: Float[Array, "draw ny nx"]) -> Float[Array, "ny nx"]:
    """Return the image about which the smallest ball lies that holds more than half of the images.

    No ball about any point that holds as many of them has a radius below half of this ball's.
    """

    def radius(image: Array) -> Array:
        squares = jnp.sum(abs2(images - image), axis=(-2, -1))
        return jnp.sort(squares)[len(images) // 2]

    return images[jnp.argmin(jax.lax.stop_gradient(jax.lax.map(radius, images)))]


AVERAGES: dict[str, Callable[[Array], Array]] = {"mean": lambda images: jnp.mean(images, axis=0), "center": center}


def build(method: Method, config: Any) -> Reconstructor:
    """Build the smoothed method.

    The draws are computed one after the other, and each is computed again for the gradient, so that the memory is that
    of one reconstruction and of the images.
    """
    inner = method.build(config.plain())
    solutions = draw_by(inner, config.smoothing)

    def solve(params: Params, prepared: Any, measurement: Measurement, key: Key) -> Solution:
        found = solutions(params, prepared, measurement, key, noise_keys(key, config.draws))
        image = AVERAGES[config.average](found.image)
        return Solution(image, jnp.sum(found.iterations), jnp.max(found.error))

    return around(inner, solve)


def noise_keys(key: Key, count: int, first: int = 0) -> Key:
    """Return the keys of the noise of an image's draws, (count,), from the draw of number `first` on."""
    return jax.vmap(lambda place: jax.random.fold_in(key, _NOISE + place))(
        jnp.arange(first, first + count, dtype=jnp.int32)
    )


def draw_by(inner: Reconstructor, smoothing: float) -> Callable[[Params, Any, Measurement, Key, Key], Solution]:
    """Build the function that reconstructs noisy data by the method without smoothing.

    Args:
        inner: the method without smoothing.
        smoothing: size of the noise, see `Smoothing` [-].

    Returns:
        (parameters, result of `Stages.prepare`, measurement, key of the method, (draw,) keys of the noise) -> solutions
        with a first axis for the draws.
    """
    plain = stages_of(inner).solve

    def solutions(params: Params, prepared: Any, measurement: Measurement, key: Key, keys: Key) -> Solution:
        @jax.checkpoint
        def one(noise_key: Key) -> Solution:
            kspace = measurement.kspace + noise(noise_key, measurement, smoothing)
            return plain(params, prepared, measurement._replace(kspace=kspace), key)

        return jax.lax.map(one, keys)

    return solutions


DEFENCE = Defence(Smoothing, build, random="the noise of the smoothing")
