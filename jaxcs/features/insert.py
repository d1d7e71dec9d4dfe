"""A feature put where the scanner would have seen it: into the object, before the coils and the Fourier transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxcs.complex import abs2, magnitude, root_sum_of_squares
from jaxcs.features.shapes import SHAPES, Profile
from jaxcs.fourier import fft2c, ifft2c, image_crop
from jaxcs.types import Image, Kspace, Maps

# Standard deviation [pixels] of the Gaussian that an image is smoothed by before its phase is taken: where there is
# little signal the phase of single pixels is that of noise, and a feature of such phases would cancel itself.
_PHASE_WIDTH = 2.0

Reference = Literal["maximum", "local"]
How = Literal["add", "fill", "coils"]


@dataclass(frozen=True)
class Insertion:
    """What is inserted, but for its place.

    shape: one of `SHAPES`.  size: in pixels.
    contrast: amplitude relative to `reference`: the slice's "maximum", or "local", the mean of the image under it.
    how: "add" to the object, with the phase that the object has there; "fill": the object is replaced by that
        amplitude; "coils": the amplitude is added to every coil's image as a real constant, which no object does.
    """

    shape: str = "square"
    size: float = 3.0
    contrast: float = 0.3
    reference: Reference = "maximum"
    how: How = "add"


PRESETS = {
    # Darestani et al., ICML 2021: what its Figure 7 says, a 3 x 3 patch filled with the image's largest value; and what
    # its code ran, max(RSS) / 6 on 5 x 5 pixels of each coil's image, whatever the coil sees there.
    "rc2021": Insertion("square", 3.0, 1.0, "maximum", "fill"),
    "rc2021_code": Insertion("square", 5.0, 1 / 6, "maximum", "coils"),
}


class Background(NamedTuple):
    """The slice that a feature is put into.

    kspace: (coil, ny, nx), all of it.  maps: (coil, ny, nx).  combined: sum of conj(maps) times coil images.
    phase: (ny, nx) of magnitude 1, that of `combined`, smoothed.  truth: (ny, nx) root sum of squares.
    peak: largest value of `truth` in the target's part of the image.
    """

    kspace: Kspace
    maps: Maps
    combined: Image
    phase: Image
    truth: Float[Array, "ny nx"]
    peak: Float[Array, ""]


def background(kspace: Kspace, maps: Maps, target: tuple[int, int]) -> Background:
    """Of fully sampled, centred, orthonormal k-space; target: (rows, columns) of the image that is compared."""
    coils = ifft2c(kspace)
    combined = jnp.sum(jnp.conj(maps) * coils, axis=0)
    truth = root_sum_of_squares(coils)
    return Background(kspace, maps, combined, _phase(combined), truth, jnp.max(image_crop(truth, target)))


def profile(insertion: Insertion, back: Background, centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """The feature's shape on the pixels of the image; centre in pixels of the whole image."""
    return SHAPES[insertion.shape]((back.truth.shape[0], back.truth.shape[1]), centre, size)


def amplitude(insertion: Insertion, back: Background, shape: Profile) -> Float[Array, ""]:
    """The feature's height, in the units of the image."""
    if insertion.reference == "maximum":
        return insertion.contrast * back.peak
    return insertion.contrast * jnp.sum(shape * back.truth) / jnp.sum(shape)


def coil_images(insertion: Insertion, back: Background, shape: Profile) -> Complex[Array, "coil ny nx"]:
    """What the feature adds to the coils' images."""
    height = amplitude(insertion, back, shape)
    if insertion.how == "coils":
        return jnp.broadcast_to(height * shape, back.maps.shape).astype(back.maps.dtype)
    if insertion.how == "fill":
        return back.maps * (shape * (height * back.phase - back.combined))
    return back.maps * (height * shape * back.phase)


def inserted(back: Background, added: Complex[Array, "coil ny nx"]) -> Kspace:
    """The whole k-space of the slice with `added` in its coils' images.

    Columns that the scanner never acquired stay empty, or the truth would hold what no mask can measure.
    """
    acquired = jnp.any(back.kspace != 0, axis=(0, 1))
    return jnp.where(acquired, back.kspace + fft2c(added), 0)


def truth_with(back: Background, target: Float[Array, "ty tx"], kspace: Kspace) -> Float[Array, "ty tx"]:
    """The target as it is with the feature: what the feature changes in the root sum of squares is added to it."""
    change = root_sum_of_squares(ifft2c(kspace)) - back.truth
    return target + image_crop(change, (target.shape[0], target.shape[1]))


def _phase(image: Image) -> Image:
    """The phase of the image smoothed by a Gaussian, as a number of magnitude 1; 1 where the image is 0."""
    ny, nx = image.shape
    rows, columns = ((jnp.arange(n, dtype=jnp.float32) - n // 2) / n for n in (ny, nx))
    frequency = rows[:, None] ** 2 + columns**2
    smooth = ifft2c(fft2c(image) * jnp.exp(-2 * (jnp.pi * _PHASE_WIDTH) ** 2 * frequency))
    there = abs2(smooth) > 0
    return jnp.where(there, smooth / jnp.where(there, magnitude(smooth), 1.0), 1.0)
