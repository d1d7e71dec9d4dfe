"""The smooth pieces of drawn anatomies: edges, superellipses, strokes, curves and noise.  Lengths are in mm.

Shapes are given by distances, negative inside and correct to first order near the edge.  Layers of a chosen thickness,
unions (minimum) and intersections (maximum) are therefore simple arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Array = Float[np.ndarray, "ny nx"]
Point = tuple[float, float]
Numbers = Sequence[float] | np.ndarray

# Half the extent [mm] of the lattices on which noise is drawn.  It is fixed, so that an anatomy is the same on every
# grid.
_REACH = (116.0, 94.0)
_PIECES = 3  # straight pieces between two points of a stroke
_SHARPEST = 1.5  # width [pixels] of the sharpest edge, so that edges do not show the grid's steps


class Grid(NamedTuple):
    """Pixel positions.

    Attributes:
        y: (ny, 1), rows downwards [mm].
        x: (1, nx), or (ny, nx) if an anatomy is bent, columns to the right [mm].
        step: distance between two pixels [mm].
    """

    y: np.ndarray
    x: np.ndarray
    step: float


class Drawing(NamedTuple):
    """A drawn anatomy.

    Attributes:
        signal: (ny, nx) signal, about 1 in bright tissue.
        findings: (first row, first column, rows, columns) of what a radiologist would draw a box around [pixels].
    """

    signal: Array
    findings: tuple[tuple[int, int, int, int], ...] = ()


class Canvas(NamedTuple):
    """A signal that is painted on in place.

    Attributes:
        grid: positions of its pixels.
        signal: (ny, nx) signal.
        where: rows and columns of the parent canvas that it shows.
    """

    grid: Grid
    signal: np.ndarray
    where: tuple[slice, slice]

    def paint(self, distance: np.ndarray, value: np.ndarray | float, softness: float = 0.8) -> None:
        """Cover the inside of a shape.

        Args:
            distance: (ny, nx) distance from the shape [mm].
            value: signal to paint, a number or (ny, nx).
            softness: width of the edge [mm].
        """
        cover = inside(distance, self._edge(softness))
        self.signal[...] += cover * (value - self.signal)

    def patch(self, low: Point, high: Point) -> Canvas:
        """Give the part between the corners `low` and `high` (y, x) [mm]; painting on it paints on the whole."""
        rows = slice(*np.searchsorted(self.grid.y.ravel(), (low[0], high[0])))
        x = self.grid.x if len(self.grid.x) == 1 else self.grid.x[rows]
        columns = _span(np.asarray(np.any((x >= low[1]) & (x <= high[1]), axis=0)))
        part = Grid(self.grid.y[rows], x[:, columns], self.grid.step)
        return Canvas(part, self.signal[rows, columns], (rows, columns))

    def around(self, points: Sequence[Point], margin: float) -> Canvas:
        """Give the patch that holds all `points` with a margin [mm]."""
        low, high = np.min(points, axis=0) - margin, np.max(points, axis=0) + margin
        return self.patch((low[0], low[1]), (high[0], high[1]))

    def stroke(self, points: Sequence[Point], widths: Sequence[float], value: float, softness: float = 0.8) -> None:
        """Paint a curved stroke.

        Args:
            points: (y, x) positions that the stroke passes through [mm].
            widths: half width of the stroke at each point [mm].
            value: signal to paint.
            softness: width of the edge [mm].
        """
        patch = self.around(points, max(widths) + self._edge(softness))
        patch.paint(stroke(patch.grid, points, widths), value, softness)

    def dots(
        self, rng: np.random.RandomState, centres: Sequence[Point], radii: Point, value: float
    ) -> list[tuple[int, int, int, int]]:
        """Paint small round spots.

        Args:
            rng: random numbers for the radii.
            centres: (y, x) positions [mm].
            radii: smallest and largest radius [mm].
            value: signal to paint.

        Returns:
            (first row, first column, rows, columns) of each spot that covers pixels of the canvas.
        """
        boxes = []
        for y, x in centres:
            radius = rng.uniform(*radii)
            patch = self.around([(y, x)], radius + self._edge(0.8))
            distance = np.hypot(patch.grid.y - y, patch.grid.x - x) - radius
            patch.paint(distance, value)
            rows, columns = (np.flatnonzero(np.any(distance < 0, axis=axis)) for axis in (1, 0))
            if rows.size:
                first = int(patch.where[0].start + rows[0]), int(patch.where[1].start + columns[0])
                boxes.append((*first, int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1))
        return boxes

    def _edge(self, softness: float) -> float:
        """Width of an edge on this grid [mm]."""
        return max(softness, _SHARPEST * self.grid.step)


def blank(grid: Grid) -> Canvas:
    """Make an empty canvas."""
    shape = np.broadcast_shapes(grid.y.shape, grid.x.shape)
    return Canvas(grid, np.zeros(shape), (slice(None), slice(None)))


def make_grid(shape: tuple[int, int], step: float) -> Grid:
    """Make a grid of square pixels about the centre, which is pixel n // 2 as in `jaxcs.fourier`.

    Args:
        shape: (rows, columns).
        step: distance between two pixels [mm].
    """
    y, x = ((np.arange(n) - n // 2) * step for n in shape)
    return Grid(y[:, None], x[None, :], step)


def inside(distance: np.ndarray, softness: float) -> np.ndarray:
    """Give 1 well inside a shape (distance < 0), 0 outside, and a smooth step between.

    Args:
        distance: distance from the shape [mm].
        softness: width of the step [mm].
    """
    t = np.clip(0.5 - distance / softness, 0.0, 1.0)
    return t * t * (3 - 2 * t)


def ellipse(grid: Grid, centre: Point, radii: Point, angle: float = 0.0, power: float = 2.0) -> Array:
    """Compute the distance from a superellipse |u|^power + |v|^power = 1.

    Args:
        grid: the pixels.
        centre: (y, x) [mm].
        radii: (y, x) [mm].
        angle: rotation [radian].
        power: 2 for an ellipse, more for a squarer shape.

    Returns:
        (ny, nx) distance [mm].
    """
    dy, dx = grid.y - centre[0], grid.x - centre[1]
    u = np.abs(np.cos(angle) * dy - np.sin(angle) * dx) / radii[0] + 1e-9
    v = np.abs(np.sin(angle) * dy + np.cos(angle) * dx) / radii[1] + 1e-9
    if power == 2.0:
        rho = np.sqrt(u * u + v * v)
        slope = np.sqrt((u / radii[0]) ** 2 + (v / radii[1]) ** 2) / rho
    else:
        a, b = u ** (power - 1), v ** (power - 1)
        total = a * u + b * v
        rho = total ** (1 / power)
        slope = np.sqrt((a / radii[0]) ** 2 + (b / radii[1]) ** 2) * rho / total
    return (rho - 1) / slope


def stroke(grid: Grid, points: Sequence[Point], widths: Sequence[float]) -> Array:
    """Compute the distance from a curved stroke.

    Args:
        grid: the pixels.
        points: (y, x) positions that the stroke passes through [mm].
        widths: half width of the stroke at each point [mm].

    Returns:
        (ny, nx) distance [mm].
    """
    t = np.linspace(0, len(points) - 1, _PIECES * (len(points) - 1) + 1)
    knots = np.arange(len(points), dtype=float)
    y, x, w = (curve(t, knots, values) for values in (*np.transpose(points), np.asarray(widths)))
    distance = np.full(np.broadcast_shapes(grid.y.shape, grid.x.shape), np.inf)
    for i in range(len(t) - 1):
        dy, dx = y[i + 1] - y[i], x[i + 1] - x[i]
        along = np.clip(((grid.y - y[i]) * dy + (grid.x - x[i]) * dx) / (dy * dy + dx * dx), 0.0, 1.0)
        off_y, off_x = grid.y - y[i] - along * dy, grid.x - x[i] - along * dx
        np.minimum(distance, np.sqrt(off_y**2 + off_x**2) - (w[i] + along * (w[i + 1] - w[i])), out=distance)
    return distance


def curve(position: np.ndarray, knots: Numbers, values: Numbers) -> np.ndarray:
    """Evaluate a smooth function through (knots, values): a cubic Hermite spline, constant beyond the ends.

    Args:
        position: positions at which the function is evaluated, of any shape.
        knots: increasing positions.
        values: values at the knots.

    Returns:
        The values at `position`.
    """
    x, y = np.asarray(knots, float), np.asarray(values, float)
    slopes = np.gradient(y, x)
    position = np.clip(position, x[0], x[-1])
    cell = np.clip(np.searchsorted(x, position, side="right") - 1, 0, len(x) - 2)
    width = x[cell + 1] - x[cell]
    t = (position - x[cell]) / width
    left = (1 + 2 * t) * y[cell] + t * width * slopes[cell]
    right = (3 - 2 * t) * y[cell + 1] - (1 - t) * width * slopes[cell + 1]
    return (1 - t) ** 2 * left + t**2 * right


def smooth_minimum(a: np.ndarray, b: np.ndarray, blend: float) -> np.ndarray:
    """Unite two shapes and fill inner corners; the negated union of negated shapes is their intersection.

    Args:
        a: distance from the first shape [mm].
        b: distance from the second shape [mm].
        blend: width over which inner corners are filled, roughly [mm].
    """
    overlap = np.maximum(blend - np.abs(a - b), 0.0)
    return np.minimum(a, b) - overlap**2 / (4 * blend)


def smooth_noise(rng: np.random.RandomState, grid: Grid, scale: float | Point) -> Array:
    """Draw normal noise of variance 1 with smooth details: cubic B-splines on a lattice.

    The noise is a function of position: all grids sample the same function.

    Args:
        rng: random numbers.
        grid: the pixels; the grid must not be bent.
        scale: approximate width of the details [mm], or (along y, along x).

    Returns:
        (ny, nx) noise.
    """
    scales = scale if isinstance(scale, tuple) else (scale, scale)
    lattice = rng.normal(size=[_lattice_size(one, reach) for one, reach in zip(scales, _REACH, strict=True)])
    rows, columns = (
        _spline_taps(tuple(axis.ravel()), one, reach)
        for axis, one, reach in zip((grid.y, grid.x), scales, _REACH, strict=True)
    )
    stretched = np.asarray(sum(weight * lattice.take(node, axis=1) for node, weight in columns))
    return np.asarray(sum(weight[:, None] * stretched.take(node, axis=0) for node, weight in rows))


def ridges(noise: np.ndarray, width: float) -> np.ndarray:
    """Draw thin branching lines: 1 on the zero crossings of `noise`, 0 farther than `width` standard deviations."""
    return np.clip(1 - np.abs(noise) / width, 0.0, 1.0)


def _span(wanted: np.ndarray) -> slice:
    """The shortest slice that holds all True entries."""
    indices = np.flatnonzero(wanted)
    return slice(indices[0], indices[-1] + 1) if indices.size else slice(0, 0)


def _lattice_size(scale: float, reach: float) -> int:
    return int(np.ceil(2 * reach / scale)) + 4


@lru_cache(maxsize=64)
def _spline_taps(position: tuple[float, ...], scale: float, reach: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """The four lattice nodes that each position depends on, and their weights, whose sum of squares is 1.

    The weights are cubic B-splines; they are 0 beyond the lattice.
    """
    t = (np.asarray(position) + reach) / scale + 1
    cell = np.floor(t).astype(int)
    f = t - cell
    weights = np.stack([(1 - f) ** 3, 4 - 6 * f**2 + 3 * f**3, 1 + 3 * f + 3 * f**2 - 3 * f**3, f**3])
    nodes = cell + np.arange(-1, 3)[:, None]
    last = _lattice_size(scale, reach) - 1
    weights = np.where((nodes >= 0) & (nodes <= last), weights / np.linalg.norm(weights, axis=0), 0.0)
    return list(zip(np.clip(nodes, 0, last), weights, strict=True))
