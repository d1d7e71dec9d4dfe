"""Seven scores of the phantoms of `jaxcs.measures.iq_phantoms`, as the FDA's MRI-IQ-ETK computes them.

Images are (ny, nx) magnitudes of the disc, the resolution or the low-contrast phantom.  The functions run on the host.
The tool holds pixel positions in 8 bits, which images of 256 pixels and more overflow; these do not.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage, optimize, signal

from jaxcs.fourier import ifft2c
from jaxcs.measures.iq_phantoms import ARRAY, SPOKES, Grid, Pair, disc, spoke_places, spoke_radii

Magnitudes = Float[np.ndarray, "ny nx"]
# NEMA's low-pass filter.
_SMOOTH = np.outer([1, 2, 1], [1, 2, 1]) / 16
# Distance from the edge of the disc that is left out [pixels].
_EDGE = 5
# Half sides of the regions of signal and of noise, and of a patch of the low-contrast phantom [pixels].
_SIGNAL, _NOISE, _PATCH = 3, 6, 5
# Simulated patches with and without a disc, and the least accuracy of a detection that counts.
_PATCHES, _ACCURATE = 100, 0.7


def geometric_accuracy(image: Magnitudes, grid: Grid, radius: float) -> float:
    """Compute the largest error of the half axes of the disc, relative to its radius [-].

    Args:
        image: the disc.
        grid: its sampling.
        radius: its true radius [mm].
    """
    labels, _ = ndimage.label(_bright(image))
    centre = tuple(n // 2 for n in grid.shape)
    inside = ndimage.binary_fill_holes(labels == labels[centre]) if labels[centre] else labels > 0
    places = np.argwhere(inside) * grid.pixel
    half_axes = 2 * np.sqrt(np.linalg.eigvalsh(np.cov(places.T, bias=True)))
    return float(np.max(np.abs(half_axes - radius)) / radius)


def uniformity(image: Magnitudes, grid: Grid, radius: float) -> float:
    """Compute NEMA's integral uniformity, 100 (1 - (max - min) / (max + min)) inside the disc [%].

    Args:
        image: the disc.
        grid: its sampling.
        radius: its true radius [mm].
    """
    # The tool rounds the radius to pixels along the rows.
    pixels = np.round(radius / grid.pixel[0])
    rows, columns = np.indices(grid.shape)
    known = np.hypot(rows - np.round(grid.shape[0] / 2), columns - np.round(grid.shape[1] / 2)) < pixels
    inside = ndimage.convolve(image, _SMOOTH, mode="constant")[_eroded(known)]
    return float(100 * (1 - (inside.max() - inside.min()) / (inside.max() + inside.min())))


def ghosting(image: Magnitudes) -> float:
    """Compute the ghosting ratio: background along the columns less that along the rows, over the disc's mean [-].

    Args:
        image: the disc.
    """
    ny, nx = image.shape
    middle_y, middle_x = slice(ny // 4, 3 * ny // 4), slice(nx // 4, 3 * nx // 4)
    first_y, last_y = slice(ny // 32, 3 * ny // 32), slice(int(ny * (1 - 3 / 32)), int(ny * (1 - 1 / 32)))
    first_x, last_x = slice(nx // 32, 3 * nx // 32), slice(int(nx * (1 - 3 / 32)), int(nx * (1 - 1 / 32)))
    along_x = np.mean(image[middle_y, first_x]) + np.mean(image[middle_y, last_x])
    along_y = np.mean(image[first_y, middle_x]) + np.mean(image[last_y, middle_x])
    return float(np.abs(along_x - along_y) / (2 * np.mean(image[_eroded(_bright(image))])))


def sharpness(image: Magnitudes, grid: Grid, radius: float) -> float:
    """Compute the full width at half maximum of the edge's line spread function [mm].

    The edge spread function is read off all pixels by their distance from the centre, differentiated, and a Lorentz
    function is fitted to it.

    Args:
        image: the disc.
        grid: its sampling.
        radius: its true radius [mm].

    Raises:
        RuntimeError: the fit does not converge, as on an image without an edge.
    """
    axes = [size * (np.arange(n) - n // 2) for n, size in zip(grid.shape, grid.pixel, strict=True)]
    distance = np.sqrt(axes[0][:, None] ** 2 + axes[1] ** 2).ravel()
    near = distance < 2 * radius + 1
    # Of pixels at one distance the tool takes the last first.
    order = np.lexsort((-np.arange(near.sum()), distance[near]))
    distance, values = distance[near][order], image.ravel()[near][order]
    step = float(np.min(grid.pixel)) / 10
    places = np.arange(0, 2 * radius, step)
    window = np.hanning(len(places))[places < distance[-1]]
    places = places[places < distance[-1]]
    edge = np.interp(places, distance, values)
    line = np.zeros_like(edge)
    line[1:-1] = np.abs(edge[2:] - edge[:-2]) / (2 * step)
    fitted, _ = optimize.curve_fit(_lorentz, places, line * window, (0.01, radius, 0.1, 0.0))
    return float(np.abs(fitted[0]))


def signal_to_noise(first: Magnitudes, second: Magnitudes) -> float:
    """Compute NEMA's signal-to-noise ratio from two images of the disc with independent noise [-].

    Args:
        first: the disc.
        second: the disc again.
    """
    centre = tuple(int(np.round(n / 2)) for n in first.shape)

    def around(half: int) -> tuple[slice, slice]:
        return slice(centre[0] - half, centre[0] + half + 1), slice(centre[1] - half, centre[1] + half + 1)

    difference = first - second
    accepted = first[around(_NOISE)] > 5 * np.std(difference[around(_SIGNAL)])
    return float(np.mean(first[around(_SIGNAL)]) * np.sqrt(2) / np.std(difference[around(_NOISE)][accepted]))


def resolved_lines(image: Magnitudes, grid: Grid, radius: float) -> tuple[int, int]:
    """Count the lines of the resolution phantom on which all four discs are seen.

    Args:
        image: the resolution phantom.
        grid: its sampling.
        radius: radius of its discs [mm].

    Returns:
        Number of columns of the upper block and of rows of the lower block, 0 to 4.
    """
    counts = []
    for along, sign in ((0, -1), (1, 1)):
        across = 1 - along
        least = max(1.0, 2 * radius / grid.pixel[along if sign > 0 else across])
        resolved = 0
        for line in range(ARRAY):
            place = sign * (2 + 4 * line) * radius / grid.pixel[across] + grid.shape[across] / 2
            profile = np.take(image, int(np.round(place)), axis=across)
            peaks, _ = signal.find_peaks(profile, distance=least, height=_otsu(profile))
            resolved += len(peaks) == ARRAY
        counts.append(resolved)
    return counts[0], counts[1]


def complete_spokes(
    image: Magnitudes,
    grid: Grid,
    noise: float,
    radii: Pair = (0.75, 3.5),
    intensity: float = 1.0,
    contrast: float = 0.1,
    seed: int = 0,
) -> int:
    """Count the spokes of the low-contrast phantom, from the largest discs on, of which every disc is detected.

    A disc is detected if the correlation of its patch with a template is above the threshold that tells simulated
    patches with a disc best from those without.  Radii that cannot be told in 70 % of the patches do not count.

    Args:
        image: the low-contrast phantom.
        grid: its sampling.
        noise: standard deviation of the noise in the real part of the image, as simulated.
        radii: smallest and largest radius of its discs [mm].
        intensity: value of its large disc.
        contrast: value that the discs add, relative to it [-].
        seed: seed of the simulated noise.

    Returns:
        The number, 0 to 10.
    """
    rng = np.random.default_rng(seed)
    for spoke, radius in enumerate(spoke_radii(radii)):
        plain = _centre(np.asarray(ifft2c(jnp.asarray(disc(grid, float(radius), intensity=intensity * contrast)))))
        template = np.abs(plain) / np.mean(np.abs(plain))
        threshold, accuracy = _threshold(plain.real, template, noise, rng)
        for y, x in spoke_places(spoke):
            at = [int(place / size + n / 2) for place, size, n in zip((y, x), grid.pixel, grid.shape, strict=True)]
            patch = image[at[0] - _PATCH : at[0] + _PATCH, at[1] - _PATCH : at[1] + _PATCH]
            if accuracy < _ACCURATE or _correlation(patch, template) <= threshold:
                return spoke
    return SPOKES


def _threshold(plain: np.ndarray, template: np.ndarray, noise: float, rng: np.random.Generator) -> tuple[float, float]:
    """The threshold that tells best whether a patch has a disc, and its accuracy."""
    white = noise * rng.normal(size=(2, _PATCHES, *plain.shape))
    present = np.array([_correlation(plain + one, template) for one in white[0]])
    absent = np.array([_correlation(one, template) for one in white[1]])
    candidates = np.sort(np.concatenate([present, absent]))
    hits = np.sum(present > candidates[:, None], axis=1) + np.sum(absent <= candidates[:, None], axis=1)
    best = np.flatnonzero(hits == hits.max())
    following = candidates[min(best[-1] + 1, len(candidates) - 1)]
    return float((candidates[best[0]] + following) / 2), float(hits.max() / (2 * _PATCHES))


def _correlation(patch: np.ndarray, template: np.ndarray) -> float:
    """The largest circular correlation of a patch less its mean with the template."""
    product = np.fft.fft2(patch - np.mean(patch)) * np.conj(np.fft.fft2(template))
    return float(np.max(np.fft.ifft2(product).real))


def _centre(image: np.ndarray) -> np.ndarray:
    ny, nx = (n // 2 for n in image.shape)
    return image[ny - _PATCH : ny + _PATCH, nx - _PATCH : nx + _PATCH]


def _bright(image: np.ndarray) -> Bool[np.ndarray, "ny nx"]:
    return image > _otsu(ndimage.gaussian_filter(image, 1.0, mode="nearest"))


def _eroded(inside: np.ndarray) -> Bool[np.ndarray, "ny nx"]:
    rows, columns = np.indices((2 * _EDGE + 1, 2 * _EDGE + 1)) - _EDGE
    return ndimage.binary_erosion(inside, rows**2 + columns**2 <= _EDGE**2)


def _otsu(values: np.ndarray) -> float:
    """The threshold between two classes of values (Otsu, IEEE Trans. SMC 9:62, 1979), from 256 bins."""
    counts, edges = np.histogram(values, 256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * centres) / np.maximum(below, 1)
    mean_above = np.cumsum((counts * centres)[::-1])[::-1] / np.maximum(above, 1)
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(centres[np.argmax(between)])


def _lorentz(x: np.ndarray, width: float, middle: float, height: float, base: float) -> np.ndarray:
    return height * 0.25 * width**2 / ((x - middle) ** 2 + 0.25 * width**2) + base
