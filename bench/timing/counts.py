"""Floating-point operations and bytes of our side of the work, counted from the algorithms.

Only arrays too large for a core's cache count as bytes, once for every pass of the algorithm over them.  A perfect
program of this algorithm would move these bytes if nothing stayed in the cache that the cores share.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_COMPLEX = 8  # bytes of complex64
_REAL = 4


class Counts(NamedTuple):
    """Floating-point operations and bytes of one run.

    Attributes:
        flops: number of floating-point operations.
        bytes: bytes read and written.
    """

    flops: float
    bytes: float

    def times(self, factor: float) -> Counts:
        """Return both numbers times `factor`."""
        return Counts(factor * self.flops, factor * self.bytes)

    def plus(self, other: Counts) -> Counts:
        """Return the sums of both numbers."""
        return Counts(self.flops + other.flops, self.bytes + other.bytes)


def fft(length: int) -> float:
    """Count the operations of one complex FFT by the usual convention: 5 n log2 n."""
    return 5 * length * math.log2(length)


def normal(shape: tuple[float, int, int]) -> Counts:
    """Count A^H A of a column mask: for each coil, multiply by the map, transform the rows both ways, multiply, add.

    Args:
        shape: (coils, rows, columns); coils may be an average.
    """
    coils, rows, columns = shape
    pixels = rows * columns
    flops = coils * (rows * 2 * fft(columns) + pixels * (6 + 6 + 2))
    # Maps are read once, the image is read and written; coil images stay in a core's cache.
    return Counts(flops, (coils * pixels + 2 * pixels) * _COMPLEX)


def wavelet(shape: tuple[float, int, int], taps: int) -> Counts:
    """Count a wavelet transform and its inverse.

    Along both axes, each sample of a level takes `taps` products and sums for real and imaginary part.

    Args:
        shape: (coils, rows, columns).
        taps: length of the filters.
    """
    pixels = shape[1] * shape[2]
    levels = 4 / 3  # 1 + 1/4 + 1/16 + ...
    flops = 2 * 2 * 2 * (2 * taps) * levels * pixels  # ways, parts, axes
    return Counts(flops, 2 * 2 * 2 * levels * pixels * _COMPLEX)  # ways, axes, read and written


def l1(shape: tuple[float, int, int], taps: int, iterations: float) -> Counts:
    """Count FISTA: A^H A, wavelets both ways, threshold (10 operations), and momentum, step and restart (20).

    Args:
        shape: (coils, rows, columns).
        taps: length of the wavelet filters.
        iterations: number of iterations.
    """
    pixels = shape[1] * shape[2]
    # Step: reads z, gradient and A^H y, writes x.  Threshold: reads and writes.  Momentum and restart: read x, its last
    # value and z, write z.
    rest = Counts(30 * pixels, (4 + 2 + 4) * pixels * _COMPLEX)
    return normal(shape).plus(wavelet(shape, taps)).plus(rest).times(iterations)


def radon(size: int, views: int, filtered: bool = False) -> Counts:
    """Count a projection or a back-projection: place, interpolation and sum of each ray in each row, 8 operations.

    Args:
        size: rows and columns of the image, and detectors of each view.
        views: number of views.
        filtered: whether each view is filtered first, by two real FFTs of twice its length.
    """
    flops = 8.0 * views * size**2 + (views * fft(2 * size) if filtered else 0)
    return Counts(flops, (size**2 + views * size) * _REAL)


def espirit(shape: tuple[int, int, int], iterations: int, calibration: int = 24, kernel: int = 6) -> Counts:
    """Count ESPIRiT: row space (Gram matrix, eigenvectors), G(r) from its lags, power iterations at each pixel.

    Args:
        shape: (coils, rows, columns).
        iterations: number of power iterations.
        calibration: side of the calibration region [samples].
        kernel: side of the kernels [samples].
    """
    coils, rows, columns = shape
    pixels, lags, size = rows * columns, 2 * kernel - 1, coils * kernel**2
    patches = (calibration - kernel + 1) ** 2
    # A complex product and sum is 8 operations.  A Hermitian eigenproblem with vectors takes about 9 n^3 of them.
    row_space = 8 * size**2 * (patches + size) + 4 * 9 * size**3
    matrices = 8 * coils**2 * (lags * lags * columns + lags * pixels)
    power = iterations * pixels * (8 * coils**2 + 20 * coils)
    # G(r) is written block by block and read in every iteration; a block is larger than a core's cache.
    return Counts(row_space + matrices + power, (1 + iterations) * coils**2 * pixels * _COMPLEX)


def _convolution(rows: float, columns: float, inputs: int, outputs: int, side: int = 3) -> Counts:
    pixels = rows * columns
    return Counts(2 * side**2 * inputs * outputs * pixels, (inputs + outputs) * pixels * _REAL)


def unet(rows: int, columns: int, inputs: int, channels: int, pools: int) -> Counts:
    """Count the forward pass: the convolutions, and two passes over each output for normalisation and activation.

    Args:
        rows: rows of the image.
        columns: columns of the image.
        inputs: channels of the image.
        channels: channels of the first level.
        pools: number of levels below the first.
    """
    total = Counts(0, 0)

    def block(level: int, before: int) -> Counts:
        after = channels * 2**level
        ny, nx = rows / 2**level, columns / 2**level
        both = _convolution(ny, nx, before, after).plus(_convolution(ny, nx, after, after))
        return both.plus(Counts(2 * 10 * after * ny * nx, 2 * 2 * after * ny * nx * _REAL))

    for level in range(pools + 1):
        total = total.plus(block(level, channels * 2 ** (level - 1) if level else inputs))
    for level in range(pools):
        ny, nx, wide = rows / 2**level, columns / 2**level, channels * 2**level
        # Up-sampling: each sample becomes 2 x 2; then a block on the skip connection and the up-sampled result.
        total = total.plus(_convolution(ny / 2, nx / 2, 2 * wide, wide, 2)).plus(block(level, 2 * wide))
    return total.plus(_convolution(rows, columns, channels, inputs, 1))


def varnet(
    shape: tuple[int, int, int], cascades: int, channels: int, pools: int, sens_channels: int, sens_pools: int
) -> Counts:
    """Count the forward pass: in each cascade a U-Net on the combined image, A^H and A; for each map a U-Net.

    Args:
        shape: (coils, rows, columns).
        cascades: number of cascades.
        channels: channels of the first level of a cascade's U-Net.
        pools: levels below the first of a cascade's U-Net.
        sens_channels: channels of the first level of the U-Net for maps.
        sens_pools: levels below the first of the U-Net for maps.
    """
    coils, rows, columns = shape
    maps = unet(rows, columns, 2, sens_channels, sens_pools).times(coils)
    cascade = unet(rows, columns, 2, channels, pools).plus(normal(shape))
    return maps.plus(cascade.times(cascades))


def decoder(shape: tuple[int, int, int], channels: int, sizes: list[tuple[int, int]]) -> Counts:
    """Count the forward pass: the convolutions, and an FFT of every coil image.

    Args:
        shape: (coils, rows, columns).
        channels: channels of every layer.
        sizes: (rows, columns) of every layer before the last two.
    """
    coils, rows, columns = shape
    total = _convolution(rows, columns, channels, channels).plus(_convolution(rows, columns, channels, 2 * coils, 1))
    for ny, nx in sizes:
        total = total.plus(_convolution(ny, nx, channels, channels))
    return total.plus(Counts(coils * fft(rows * columns), 0))
