"""Insertion of a feature where the scanner would have seen it: in the object, before coils and Fourier transform."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from jaxcs.complex import abs2, magnitude, root_sum_of_squares
from jaxcs.features.shapes import SHAPES, Profile
from jaxcs.fourier import fft2c, ifft2c, image_crop
from jaxcs.types import Image, Kspace, Maps

# Standard deviation [pixels] of the Gaussian that smooths an image before its phase is taken.  In weak signal the phase
# of single pixels is noise, and a feature with such phases would cancel itself.
_PHASE_WIDTH = 2.0

Reference = Literal["maximum", "local"]
How = Literal["add", "fill", "coils"]


@dataclass(frozen=True)
class Insertion:
    """A feature to insert, except for its place.

    Attributes:
        shape: a name in `SHAPES`.
        size: size of the shape [pixels].
        contrast: amplitude relative to `reference` [-].
        reference: "maximum" for the slice's maximum, or "local" for the mean of the image under the feature.
        how: "add" adds the amplitude to the object, with the object's local phase.  "fill" replaces the object by the
            amplitude.  "coils" adds the amplitude to the image of each coil as a real constant, which no object does.
    """

    shape: str = "square"
    size: float = 3.0
    contrast: float = 0.3
    reference: Reference = "maximum"
    how: How = "add"


PRESETS = {
    # Darestani et al., ICML 2021.  Its Figure 7 describes a 3 x 3 patch filled with the image's largest value.  Its
    # code ran max(RSS) / 6 on 5 x 5 pixels of each coil's image, whatever the coil sees in these pixels.
    "rc2021": Insertion("square", 3.0, 1.0, "maximum", "fill"),
    "rc2021_code": Insertion("square", 5.0, 1 / 6, "maximum", "coils"),
}


class Background(NamedTuple):
    """The slice into which a feature is inserted.

    Attributes:
        kspace: (coil, ny, nx) fully sampled k-space.
        maps: (coil, ny, nx) coil sensitivity maps.
        combined: (ny, nx) sum of conj(maps) times coil images.
        phase: (ny, nx) smoothed phase of `combined`, as numbers of magnitude 1.
        truth: (ny, nx) root sum of squares of the coil images.
        peak: () largest value of `truth` in the target's part of the image.
    """

    kspace: Kspace
    maps: Maps
    combined: Image
    phase: Image
    truth: Float[Array, "ny nx"]
    peak: Float[Array, ""]


def background(kspace: Kspace, maps: Maps, target: tuple[int, int]) -> Background:
    """Prepare a slice for the insertion of features.

    Args:
        kspace: (coil, ny, nx) fully sampled, centred, orthonormal k-space.
        maps: (coil, ny, nx) coil sensitivity maps.
        target: (rows, columns) of the part of the image that is compared.
    """
    coils = ifft2c(kspace)
    combined = jnp.sum(jnp.conj(maps) * coils, axis=0)
    truth = root_sum_of_squares(coils)
    return Background(kspace, maps, combined, _phase(combined), truth, jnp.max(image_crop(truth, target)))


def profile(insertion: Insertion, back: Background, centre: Float[Array, "2"], size: Float[Array, ""]) -> Profile:
    """Draw the feature's shape on the pixels of the image.

    Args:
        insertion: the feature.
        back: the slice.
        centre: (2,) centre of the feature (row, column) in the whole image [pixels].
        size: () size of the feature [pixels].

    Returns:
        (ny, nx) profile in [0, 1].
    """
    return SHAPES[insertion.shape]((back.truth.shape[0], back.truth.shape[1]), centre, size)


def amplitude(insertion: Insertion, back: Background, shape: Profile) -> Float[Array, ""]:
    """Compute the feature's height, () in the units of the image; `shape` is the (ny, nx) result of `profile`."""
    if insertion.reference == "maximum":
        return insertion.contrast * back.peak
    return insertion.contrast * jnp.sum(shape * back.truth) / jnp.sum(shape)


def coil_images(insertion: Insertion, back: Background, shape: Profile) -> Complex[Array, "coil ny nx"]:
    """Compute what the feature adds to the coil images, (coil, ny, nx); `shape` is the (ny, nx) result of `profile`."""
    height = amplitude(insertion, back, shape)
    if insertion.how == "coils":
        return jnp.broadcast_to(height * shape, back.maps.shape).astype(back.maps.dtype)
    if insertion.how == "fill":
        return back.maps * (shape * (height * back.phase - back.combined))
    return back.maps * (height * shape * back.phase)


def inserted(back: Background, added: Complex[Array, "coil ny nx"]) -> Kspace:
    """Compute the k-space of the slice with `added` in its coil images.

    Columns that the scanner never acquired stay empty.  Otherwise the truth would hold what no mask can measure.

    Args:
        back: the slice.
        added: (coil, ny, nx) result of `coil_images`.

    Returns:
        (coil, ny, nx) fully sampled k-space.
    """
    acquired = jnp.any(back.kspace != 0, axis=(0, 1))
    return jnp.where(acquired, back.kspace + fft2c(added), 0)


def truth_with(back: Background, target: Float[Array, "ty tx"], kspace: Kspace) -> Float[Array, "ty tx"]:
    """Compute the target with the feature: add the feature's change of the root sum of squares to the target.

    Args:
        back: the slice.
        target: (ty, tx) target image without the feature.
        kspace: (coil, ny, nx) k-space with the feature.
    """
    change = root_sum_of_squares(ifft2c(kspace)) - back.truth
    return target + image_crop(change, (target.shape[0], target.shape[1]))


def _phase(image: Image) -> Image:
    """The phase of the image after smoothing by a Gaussian, as numbers of magnitude 1; 1 where the image is 0."""
    ny, nx = image.shape
    rows, columns = ((jnp.arange(n, dtype=jnp.float32) - n // 2) / n for n in (ny, nx))
    frequency = rows[:, None] ** 2 + columns**2
    smooth = ifft2c(fft2c(image) * jnp.exp(-2 * (jnp.pi * _PHASE_WIDTH) ** 2 * frequency))
    there = abs2(smooth) > 0
    return jnp.where(there, smooth / jnp.where(there, magnitude(smooth), 1.0), 1.0)
