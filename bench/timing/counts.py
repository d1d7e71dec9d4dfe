"""Floating-point operations and bytes that our side of the work comes to, counted from the algorithms.

Bytes are those of arrays that no core's cache holds, each counted once for every pass that the algorithm makes over it:
what a perfect program of this algorithm would move, if nothing stayed in the cache that the cores share.
"""

from __future__ import annotations

import math
from typing import NamedTuple

_COMPLEX = 8  # bytes of complex64
_REAL = 4


class Counts(NamedTuple):
    """Floating-point operations and bytes of one run."""

    flops: float
    bytes: float

    def times(self, factor: float) -> Counts:
        """Both, so many times."""
        return Counts(factor * self.flops, factor * self.bytes)

    def plus(self, other: Counts) -> Counts:
        """Both, together."""
        return Counts(self.flops + other.flops, self.bytes + other.bytes)


def fft(length: int) -> float:
    """Operations of one complex transform, by the usual convention: 5 n log2 n."""
    return 5 * length * math.log2(length)


def normal(shape: tuple[float, int, int]) -> Counts:
    """A^H A of a column mask: for each coil, multiply by the map, transform the rows there and back, multiply, add."""
    coils, rows, columns = shape
    pixels = rows * columns
    flops = coils * (rows * 2 * fft(columns) + pixels * (6 + 6 + 2))
    # The maps once, the image in and out; coil images live in a core's cache.
    return Counts(flops, (coils * pixels + 2 * pixels) * _COMPLEX)


def wavelet(shape: tuple[float, int, int], taps: int) -> Counts:
    """There and back: along both axes each sample of a level is `taps` products and sums, of both parts."""
    pixels = shape[1] * shape[2]
    levels = 4 / 3  # 1 + 1/4 + 1/16 + ...
    flops = 2 * 2 * 2 * (2 * taps) * levels * pixels  # ways, parts, axes
    return Counts(flops, 2 * 2 * 2 * levels * pixels * _COMPLEX)  # ways, axes, read and written


def l1(shape: tuple[float, int, int], taps: int, iterations: float) -> Counts:
    """FISTA: A^H A, the wavelets there and back, the threshold (10), momentum, step and the restart's product (20)."""
    pixels = shape[1] * shape[2]
    # Step: z, gradient and A^H y in, x out; threshold: in and out; momentum and restart: x, its last, z in, z out.
    rest = Counts(30 * pixels, (4 + 2 + 4) * pixels * _COMPLEX)
    return normal(shape).plus(wavelet(shape, taps)).plus(rest).times(iterations)


def espirit(shape: tuple[int, int, int], iterations: int, calibration: int = 24, kernel: int = 6) -> Counts:
    """The row space (Gram matrix and eigenvectors), G(r) from its lags, and power iterations at each pixel."""
    coils, rows, columns = shape
    pixels, lags, size = rows * columns, 2 * kernel - 1, coils * kernel**2
    patches = (calibration - kernel + 1) ** 2
    # A complex product and sum is 8 operations; a Hermitian eigenproblem with vectors about 9 n^3 of those that count.
    row_space = 8 * size**2 * (patches + size) + 4 * 9 * size**3
    matrices = 8 * coils**2 * (lags * lags * columns + lags * pixels)
    power = iterations * pixels * (8 * coils**2 + 20 * coils)
    # G(r) is written block by block and read in every iteration; a block is larger than a core's cache.
    return Counts(row_space + matrices + power, (1 + iterations) * coils**2 * pixels * _COMPLEX)


def _convolution(rows: float, columns: float, inputs: int, outputs: int, side: int = 3) -> Counts:
    pixels = rows * columns
    return Counts(2 * side**2 * inputs * outputs * pixels, (inputs + outputs) * pixels * _REAL)


def unet(rows: int, columns: int, inputs: int, channels: int, pools: int) -> Counts:
    """The forward pass: its convolutions, and two passes over what each gives, to normalise and rectify."""
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
        # Up-sampling: each sample below gives 2 x 2 above; then a block of the skip and what came up.
        total = total.plus(_convolution(ny / 2, nx / 2, 2 * wide, wide, 2)).plus(block(level, 2 * wide))
    return total.plus(_convolution(rows, columns, channels, inputs, 1))


def varnet(
    shape: tuple[int, int, int], cascades: int, channels: int, pools: int, sens_channels: int, sens_pools: int
) -> Counts:
    """The forward pass: a cascade is a U-Net on the combined image and one pass of A^H and A; maps one a coil."""
    coils, rows, columns = shape
    maps = unet(rows, columns, 2, sens_channels, sens_pools).times(coils)
    cascade = unet(rows, columns, 2, channels, pools).plus(normal(shape))
    return maps.plus(cascade.times(cascades))


def decoder(shape: tuple[int, int, int], channels: int, sizes: list[tuple[int, int]]) -> Counts:
    """The forward pass: its convolutions, and a transform of every coil."""
    coils, rows, columns = shape
    total = _convolution(rows, columns, channels, channels).plus(_convolution(rows, columns, channels, 2 * coils, 1))
    for ny, nx in sizes:
        total = total.plus(_convolution(ny, nx, channels, channels))
    return total.plus(Counts(coils * fft(rows * columns), 0))
