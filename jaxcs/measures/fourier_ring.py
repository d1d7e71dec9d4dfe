"""Fourier ring correlation, of whole images and patch by patch (sFRC; Kc et al., arXiv:2603.04673).

The correlation says up to which spatial frequency an image agrees with its reference.  In small patches it finds
structures that are invented or lost, which a mean over the image hides.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from jaxcs.complex import abs2

# A patch is air if at most a tenth of its pixels are above the first, or its mean is not above the second share of the
# reference's largest value, as in the authors' program.
_AIR_PIXEL, _AIR_MEAN, _AIR_COUNT = 200 / 2686, 150 / 2686, 0.1


class PatchCorrelation(NamedTuple):
    """Agreement of an image with its reference, patch by patch.

    Attributes:
        cutoff: (rows, columns) frequency at which the correlation of each patch falls below the threshold, as a share
            of the Nyquist frequency [-]; 1 if it does not fall.
        curves: (rows, columns, patch // 2) correlation of each patch by frequency [-].
        air: (rows, columns) True for patches without enough of the reference, which say nothing.
    """

    cutoff: Float[Array, "rows columns"]
    curves: Float[Array, "rows columns ring"]
    air: Bool[Array, "rows columns"]

    def hallucinated(self, least: float) -> Bool[Array, "rows columns"]:
        """Return True for patches of the object whose `cutoff` is under `least`, a share of the Nyquist frequency."""
        return (self.cutoff < least) & ~self.air


def fourier_ring_correlation(image: Float[Array, "n n"], reference: Float[Array, "n n"]) -> Float[Array, "ring"]:
    """Compute the correlation of two images on rings of spatial frequency.

    Ring r has Re sum I conj(R) / sqrt(sum |I|^2 sum |R|^2), with the Fourier transforms I and R.  A sample at the
    radius rho counts by half on the rings floor(rho) and ceil(rho), as in the authors' program, which takes the
    magnitude of the numerator.  Here the sign stays: a structure of inverted contrast is not kept.

    Args:
        image: (n, n) image.
        reference: (n, n) image of the same shape.

    Returns:
        (n // 2,) correlations [-]; ring r is at the share 2 r / n of the Nyquist frequency.  It is 0 on rings where an
        image has nothing.

    Raises:
        ValueError: If the images are not square or not of one shape.
    """
    if image.ndim != 2 or image.shape[0] != image.shape[1] or image.shape != reference.shape:
        raise ValueError(
            f"fourier_ring_correlation: image is {image.shape}, reference is {reference.shape}; need equal squares"
        )
    n = image.shape[0]
    x, y = jnp.fft.fft2(image), jnp.fft.fft2(reference)
    rings = jnp.asarray(_rings(n), image.dtype)

    def on_rings(spectrum: Array) -> Array:
        return jnp.matmul(rings, spectrum.ravel(), precision=jax.lax.Precision.HIGHEST)

    energy = on_rings(abs2(x)) * on_rings(abs2(y))
    some = energy > 0
    return jnp.where(some, on_rings(jnp.real(x * jnp.conj(y))) / jnp.sqrt(jnp.where(some, energy, 1.0)), 0.0)


def patch_correlation(
    image: Float[Array, "ny nx"], reference: Float[Array, "ny nx"], patch: int = 48, threshold: float = 0.75
) -> PatchCorrelation:
    """Compute the Fourier ring correlation of square patches side by side, and where it falls below a threshold.

    Each patch is scaled to values from 0 to 1 and multiplied by a Hann window.  The authors' program (commit 527fbf5)
    multiplies the windowed patch by its own transpose as well, which looks unintended and is not done here.  Pixels
    beyond the last whole patch are left out.

    Args:
        image: (ny, nx) magnitudes.
        reference: (ny, nx) magnitudes, of the fully sampled image.
        patch: side of a patch, even, at least 8 [pixels].
        threshold: the authors took 0.75 for MRI, and 0.5 for CT.

    Returns:
        Cut-off frequency and curve of each patch, and the patches of air.

    Raises:
        ValueError: If the shapes differ, or no patch fits.
    """
    if image.shape != reference.shape or patch % 2 or not 8 <= patch <= min(image.shape):
        raise ValueError(
            f"patch_correlation: image is {image.shape}, reference is {reference.shape}, patch is {patch}; need equal "
            "shapes, and an even patch from 8 to the smaller side"
        )
    window = jnp.asarray(np.outer(np.hanning(patch), np.hanning(patch)), image.dtype)
    each, true = (_patches(one, patch) for one in (image, reference))
    curves = jax.vmap(jax.vmap(lambda x, y: fourier_ring_correlation(_unit(x) * window, _unit(y) * window)))(each, true)
    peak = jnp.max(reference)
    count = jnp.mean(true > _AIR_PIXEL * peak, axis=(2, 3))
    air = (count <= _AIR_COUNT) | (jnp.mean(true, axis=(2, 3)) <= _AIR_MEAN * peak)
    return PatchCorrelation(_cutoff(curves, threshold), curves, air)


def _rings(n: int) -> Float[np.ndarray, "ring sample"]:
    """The share of each sample of the spectrum, zero frequency first, that counts on each ring."""
    frequency = np.fft.fftfreq(n, 1 / n)
    radius = np.hypot(*np.meshgrid(frequency, frequency, indexing="ij")).ravel()
    ring = np.arange(n // 2)[:, None]
    return ((np.floor(radius) == ring) + (np.ceil(radius) == ring).astype(float)) / 2


def _patches(image: Array, patch: int) -> Float[Array, "rows columns patch patch"]:
    rows, columns = image.shape[0] // patch, image.shape[1] // patch
    inside = image[: rows * patch, : columns * patch]
    return inside.reshape(rows, patch, columns, patch).transpose(0, 2, 1, 3)


def _unit(patch: Array) -> Array:
    low, high = jnp.min(patch), jnp.max(patch)
    return (patch - low) / jnp.where(high > low, high - low, 1.0)


def _cutoff(curves: Float[Array, "*patches ring"], threshold: float) -> Float[Array, "*patches"]:
    """Find where each curve first falls below the threshold, interpolated between rings, over the number of rings."""
    rings = curves.shape[-1]
    below = curves < threshold
    first = jnp.argmax(below, axis=-1)
    before = jnp.maximum(first - 1, 0)
    here, last = (jnp.take_along_axis(curves, at[..., None], axis=-1)[..., 0] for at in (first, before))
    step = jnp.where(last > here, (last - threshold) / jnp.where(last > here, last - here, 1.0), 0.0)
    crossing = jnp.where(first > 0, before + step, 0.0)
    return jnp.where(jnp.any(below, axis=-1), crossing / rings, 1.0)
