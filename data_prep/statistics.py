"""Three statistics of images that decide how hard under-sampling is, of given images and of the built-in phantoms.

They are the fall of the spectrum, the sparsity of wavelet coefficients, and the contrast between neighbouring pixels.
A method that is tuned on phantoms meets other images with other numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pywt
from jaxtyping import Float
from scipy import ndimage

from data_prep import phantom
from data_prep.coil_array import tissue
from data_prep.files import list_cases
from jaxcs.catalogue import PHANTOMS

# Images of each kind, evenly spaced.
_IMAGES = 10
# Rings of spatial frequency [cycles per pixel]: below, the shape of the head decides, and above, noise.
_RINGS = np.geomspace(0.03, 0.35, 13)
_WAVELET, _LEVELS, _ENERGY = "db4", 3, 0.95
_WINDOW = 7  # pixels
_RIM = 3  # pixels of tissue beside air that do not count
_FLOOR = 0.05  # of the largest signal: darker tissue does not count as darker in the denominator


class Statistics(NamedTuple):
    """Statistics of an image.

    Attributes:
        slope: exponent p if the power of the spectrum is f^p on average over directions, fitted to 0.03 to 0.35 cycles
            per pixel [-].
        share: share of the detail coefficients (db4, three levels) that hold 95 % of their energy [-]; small for sparse
            images.
        contrast: median over tissue of the standard deviation in 7 x 7 pixels relative to their mean [-].
    """

    slope: float
    share: float
    contrast: float


def statistics(image: Float[np.ndarray, "ny nx"]) -> Statistics:
    """Compute the statistics of a magnitude image.

    Args:
        image: (ny, nx) magnitudes, not all 0, with at least 16 pixels a side.
    """
    image = np.asarray(image, float) / np.percentile(image, 99.5)
    return Statistics(_slope(image), _share(image), _contrast(image))


def _slope(image: np.ndarray) -> float:
    power = np.abs(np.fft.fft2(image)) ** 2
    radius = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1]))
    rings = [(radius >= low) & (radius < high) for low, high in pairwise(_RINGS)]
    found = [(radius[ring].mean(), power[ring].mean()) for ring in rings if ring.any()]
    frequency, mean = np.log(np.array(found)).T
    return float(np.polyfit(frequency, mean, 1)[0])


def _share(image: np.ndarray) -> float:
    _, *details = pywt.wavedec2(image, _WAVELET, mode="periodization", level=_LEVELS)
    energy = np.sort(np.concatenate([band.ravel() ** 2 for level in details for band in level]))[::-1]
    held = np.cumsum(energy)
    return float(np.searchsorted(held, _ENERGY * held[-1]) / len(energy))


def _contrast(image: np.ndarray) -> float:
    mean = ndimage.uniform_filter(image, _WINDOW)
    spread = np.sqrt(np.maximum(ndimage.uniform_filter(image**2, _WINDOW) - mean**2, 0))
    inside = ndimage.binary_fill_holes(ndimage.binary_opening(tissue(image), iterations=2))
    inside = ndimage.binary_erosion(inside, iterations=_RIM)
    return float(np.median((spread / np.maximum(mean, _FLOOR))[inside])) if inside.any() else 0.0


def table(path: str | Path) -> Iterator[str]:
    """Compare the statistics of the images of a path with those of the built-in phantoms.

    Args:
        path: a file or folder that `bench.attack --data` takes.

    Yields:
        The lines of a table: mean and standard deviation over images, and how many standard deviations of the path's
        images each phantom's mean is away from theirs.

    Raises:
        InputError: If the path cannot be read.
    """
    found = list_cases(path, validation=None)
    at = np.unique(np.linspace(0, len(found.slices) - 1, _IMAGES).round().astype(int))
    given = _all(found.read(found.slices[index]).target for index in at)
    yield f"{'images':<24}{'spectrum':>24}{'wavelets':>24}{'contrast':>24}"
    yield _line(f"{Path(path).name} ({len(given)})", given, None)
    for family in PHANTOMS:
        drawn = _all(case.target for case in phantom.cases(family, "test", _IMAGES))
        yield _line(f"phantom {family} ({_IMAGES})", drawn, given)
    yield "spectrum: exponent of its power; wavelets: share of coefficients with 95 % of the energy;"
    yield "contrast: standard deviation in 7 x 7 pixels relative to their mean"
    yield "mean +- standard deviation over images (distance from the first line in its standard deviations)"


def _all(images: Iterable[np.ndarray]) -> np.ndarray:
    """(image, statistic)."""
    return np.array([statistics(image) for image in images])


def _line(name: str, found: np.ndarray, given: np.ndarray | None) -> str:
    mean, spread = found.mean(0), found.std(0)
    words = [f"{one:.3f} +- {other:.3f}" for one, other in zip(mean, spread, strict=True)]
    if given is not None and len(given) > 1:
        away = np.abs(mean - given.mean(0)) / given.std(0)
        words = [f"{word} ({one:.1f})" for word, one in zip(words, away, strict=True)]
    return f"{name[:23]:<24}" + "".join(f"{word:>24}" for word in words)
