"""Image quality as fastMRI scores it (Zbontar et al., arXiv:1811.08839): NMSE, PSNR and SSIM; HaarPSI; two more errors.

All metrics compare real images (magnitudes) in the same units.  They are jitted, differentiable in `image` and work
under `vmap`.  They compute in float32, or in float64 if given float64.  `data_range` is always explicit: fastMRI takes
the maximum of the target VOLUME for all its slices, and the maximum of the slice gives other scores.

`region` is True for the pixels that are scored, and None for all.  The score of a box equals the score of the image
cropped to it; a mask keeps its shape from slice to slice, so that one compiled function serves different boxes.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxcs.complex import largest
from jaxcs.haarpsi import haarpsi
from jaxcs.scored import Box as Box
from jaxcs.scored import Region, inside, real_pair, runs
from jaxcs.scored import region_of as region_of

WINDOW = 7
_K1, _K2 = 0.01, 0.03

# Mean and variance in each window of one size, (my, mx) each.
Moments = tuple[Array, Array]


@jax.jit
def nmse(image: Float[Array, "*axes"], target: Float[Array, "*axes"], region: Region | None = None) -> Float[Array, ""]:
    """Compute the normalised mean squared error ||target - image||^2 / ||target||^2 over all axes.

    Args:
        image: magnitudes of any shape; the whole volume for fastMRI's score.
        target: magnitudes of the same shape.
        region: True for the pixels that are scored, of the same shape, or None for all.

    Returns:
        The error, () [-].  If the target is 0 everywhere, the error is inf, or NaN if the image is 0 too.

    Raises:
        ValueError: If the shapes differ or an input is complex.
    """
    image, target = (inside(one, region) for one in real_pair("nmse", image, target))
    # Division by the peak keeps squares from overflowing or vanishing in any scanner's units.
    peak = jax.lax.stop_gradient(jnp.max(jnp.abs(target), initial=0.0))
    peak = jnp.where(peak > 0, peak, 1.0)
    return jnp.sum(((target - image) / peak) ** 2) / jnp.sum((target / peak) ** 2)


@jax.jit
def psnr(
    image: Float[Array, "*axes"],
    target: Float[Array, "*axes"],
    data_range: Float[Array, ""] | float,
    region: Region | None = None,
) -> Float[Array, ""]:
    """Compute the peak signal-to-noise ratio 10 log10(data_range^2 / mean (target - image)^2) over all axes.

    Args:
        image: magnitudes of any shape; the whole volume for fastMRI's score.
        target: magnitudes of the same shape.
        data_range: peak value, positive; the maximum of the volume for fastMRI's score.
        region: True for the pixels that are scored, of the same shape, or None for all.

    Returns:
        The ratio, () [dB].  It is inf for identical images, with gradient NaN.

    Raises:
        ValueError: If the shapes differ or an input is complex.
    """
    image, target = real_pair("psnr", image, target)
    return -10 * jnp.log10(_mean(((target - image) / data_range) ** 2, region))


@jax.jit
def ssim(
    image: Float[Array, "ny nx"],
    target: Float[Array, "ny nx"],
    data_range: Float[Array, ""] | float,
    region: Region | None = None,
) -> Float[Array, ""]:
    """Compute the structural similarity of one slice (Wang et al., IEEE TIP 13:600, 2004, eq. 13).

    This is fastMRI's variant with scikit-image's defaults: uniform 7x7 windows that lie inside the image, sample
    variances (divided by 48), K1 = 0.01, K2 = 0.03, mean over all windows. fastMRI's score of a volume is the mean over
    its slices.

    Args:
        image: (ny, nx) magnitudes.
        target: (ny, nx) magnitudes.
        data_range: peak value, positive; the maximum of the volume for fastMRI's score.
        region: (ny, nx) True for the pixels that are scored, or None for all: the mean is over the windows that lie
            inside, and NaN if there is none.

    Returns:
        The similarity, () [-].

    Raises:
        ValueError: If the shapes differ, an input is complex or not 2-D, or a side is under 7 pixels.
    """
    return _mean(ssim_map(image, target, data_range), windows_inside(region))


@jax.jit
def ssim_map(
    image: Float[Array, "ny nx"], target: Float[Array, "ny nx"], data_range: Float[Array, ""] | float
) -> Float[Array, "my mx"]:
    """Compute the structural similarity of each 7x7 window inside the image; see `ssim`.

    Args:
        image: (ny, nx) magnitudes.
        target: (ny, nx) magnitudes.
        data_range: peak value, positive.

    Returns:
        (ny - 6, nx - 6) similarities [-].

    Raises:
        ValueError: If the shapes differ, an input is complex or not 2-D, or a side is under 7 pixels.
    """
    image, target = real_pair("ssim", image, target)
    if image.ndim != 2 or min(image.shape) < WINDOW:
        raise ValueError(f"ssim: needs one slice of at least {WINDOW} x {WINDOW} pixels, got {image.shape}")
    x, y = image / data_range, target / data_range  # no square overflows or vanishes, in any units
    # With p = x + y and q = x - y the formula needs no covariance: 2 E[x] E[y] = (E[p]^2 - E[q]^2) / 2 and E[x]^2 +
    # E[y]^2 = (E[p]^2 + E[q]^2) / 2.  The same holds for covariance and variances.
    (mean_p, variance_p), (mean_q, variance_q) = _window_moments(x + y), _window_moments(x - y)
    luminance = (mean_p**2 - mean_q**2 + 2 * _K1**2) / (mean_p**2 + mean_q**2 + 2 * _K1**2)
    structure = (variance_p - variance_q + 2 * _K2**2) / (variance_p + variance_q + 2 * _K2**2)
    return luminance * structure


@jax.jit
def max_error(
    image: Float[Array, "*axes"],
    target: Float[Array, "*axes"],
    data_range: Float[Array, ""] | float,
    region: Region | None = None,
) -> Float[Array, ""]:
    """Compute the largest error of a pixel, max |target - image| / data_range (the l-infinity norm).

    Args:
        image: magnitudes of any shape.
        target: magnitudes of the same shape.
        data_range: peak value, positive.
        region: True for the pixels that are scored, of the same shape, or None for all.

    Returns:
        The error, () [-].

    Raises:
        ValueError: If the shapes differ or an input is complex.
    """
    image, target = real_pair("max_error", image, target)
    return largest(inside(jnp.abs(target - image), region)) / data_range


@jax.jit
def row_error(
    image: Float[Array, "ny nx"], target: Float[Array, "ny nx"], region: Region | None = None
) -> Float[Array, ""]:
    """Compute the mean error of the rows, each relative to its target.

    The error is the mean over rows of ||target - image||^2 / (||target||^2 + m), with m the mean of ||target||^2 over
    rows.  A few rows of huge error decide the NMSE.  Here each row counts by its target, and m keeps rows of air from
    deciding.

    Args:
        image: (ny, nx) magnitudes.
        target: (ny, nx) magnitudes.
        region: (ny, nx) True for the pixels that are scored, or None for all; rows without one do not count.

    Returns:
        The error, () [-].

    Raises:
        ValueError: If the shapes differ, or an input is complex or not 2-D.
    """
    return jnp.sum(row_errors(image, target, region))


def row_errors(
    image: Float[Array, "ny nx"], target: Float[Array, "ny nx"], region: Region | None = None
) -> Float[Array, "ny"]:
    """Compute the share of each row in `row_error`, (ny,) [-], which raises the same errors."""
    image, target = real_pair("row_error", image, target)
    if image.ndim != 2:
        raise ValueError(f"row_error: needs one slice, got {image.shape}")
    image, target = inside(image, region), inside(target, region)
    peak = jax.lax.stop_gradient(jnp.max(jnp.abs(target), initial=0.0))
    peak = jnp.where(peak > 0, peak, 1.0)
    energy = jnp.sum((target / peak) ** 2, axis=-1)
    count = image.shape[0] if region is None else jnp.sum(jnp.any(region, axis=-1), dtype=jnp.int32)
    errors = jnp.sum(((target - image) / peak) ** 2, axis=-1) / (energy + jnp.sum(energy) / count)
    return errors / count


def windows_inside(region: Region | None) -> Bool[Array, "my mx"] | None:
    """Find the windows of `ssim_map` that lie inside a region, None for all."""
    if region is None:
        return None
    return jax.lax.reduce_window(region, True, jax.lax.bitwise_and, (WINDOW, WINDOW), (1, 1), "VALID")


# All metrics are called with (image, target, data_range), or (image, target, data_range, region).
METRICS: dict[str, Callable[..., Array]] = {
    "nmse": lambda image, target, data_range, region=None: nmse(image, target, region),
    "psnr": psnr,
    "ssim": ssim,
    "haarpsi": haarpsi,
    "max_error": max_error,
    "row_error": lambda image, target, data_range, region=None: row_error(image, target, region),
}


def _mean(values: Array, region: Array | None) -> Array:
    """The mean of the values inside a region, or of all."""
    return jnp.mean(values) if region is None else jnp.sum(inside(values, region)) / jnp.sum(region, dtype=jnp.int32)


def _window_moments(z: Float[Array, "ny nx"]) -> Moments:
    """Mean and sample variance in each 7x7 window.

    E[z^2] - E[z]^2 would lose all digits of a small variance in float32.  Instead single pixels (mean z, variance 0)
    are joined to runs of 7 = (2 + 2) + (2 + 1), first along rows and then along columns.
    """
    one = (z, jnp.zeros_like(z))
    for axis in (1, 0):
        two = _joined(one, 1, one, 1, axis)
        one = _joined(_joined(two, 2, two, 2, axis), 4, _joined(two, 2, one, 1, axis), 3, axis)
    mean, variance = one
    return mean, variance * (WINDOW**2 / (WINDOW**2 - 1))


def _joined(left: Moments, n_left: int, right: Moments, n_right: int, axis: int) -> Moments:
    """Moments of runs of n_left + n_right entries from the moments of their two parts, at each start along `axis`.

    The variance is the mean of the parts' variances plus the variance of the parts' means (Chan, Golub and LeVeque, The
    American Statistician 37:242, 1983).
    """
    starts = right[0].shape[axis] - n_left
    left_mean, left_variance = (runs(part, 0, starts, axis) for part in left)
    right_mean, right_variance = (runs(part, n_left, starts, axis) for part in right)
    a, b = n_left / (n_left + n_right), n_right / (n_left + n_right)
    mean = a * left_mean + b * right_mean
    return mean, a * left_variance + b * right_variance + a * b * (right_mean - left_mean) ** 2
