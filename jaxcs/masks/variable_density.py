"""Masks that are denser near the centre of k-space, with exactly the requested acceleration."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxcs.fourier import centre_slice
from jaxcs.masks.request import Seed, centre_lines, no_room

# Most entries of the table (candidates x cells of the largest disc) in one step of the dart throwing.
_TABLE = 400_000
# The search for the slope stops at this share of surplus samples, which are dropped.
_SURPLUS = 0.01
_HALVINGS = 20


def gaussian(nx: int, acceleration: float, center_fraction: float, seed: Seed) -> Bool[np.ndarray, "nx"]:
    """Draw round(nx / acceleration) columns: the centre, and other columns with Gaussian density.

    The other columns are drawn without replacement.  Column i has the weight exp(-(i - nx // 2)^2 / (2 (nx / 10)^2)) +
    1 / (2 acceleration), as in the published code of Schlemper et al. (IEEE TMI 37:491, 2018).

    Args:
        nx: number of columns.
        acceleration: ratio of all to measured columns, >= 1 [-].
        center_fraction: fully sampled share of the columns, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (nx,) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    lines = centre_lines("gaussian", nx, acceleration, center_fraction)
    wanted = round(nx / acceleration)
    if lines >= wanted:
        raise no_room("gaussian", lines, wanted)
    mask = np.zeros(nx, bool)
    mask[centre_slice(nx, lines)] = True
    weight = np.where(mask, 0.0, column_weights(nx, acceleration))
    columns = np.random.RandomState(seed).choice(nx, wanted - lines, replace=False, p=weight / weight.sum())
    mask[columns] = True
    return mask


def column_weights(nx: int, acceleration: float) -> Float[np.ndarray, "nx"]:
    """Compute the weight with which `gaussian` draws each column."""
    offset = (np.arange(nx) - nx // 2) / (nx / 10)
    return np.exp(-0.5 * offset**2) + 0.5 / acceleration


def poisson(
    shape: tuple[int, int], acceleration: float, center_fraction: float, seed: Seed
) -> Bool[np.ndarray, "ny nx"]:
    """Draw round(ny nx / acceleration) samples of a variable-density Poisson disc, including the sampled centre.

    The centre is a block of round(center_fraction n) samples along each axis.  Any two samples p, q outside it are at
    least min(r(p), r(q)) grid steps apart, with r = min(1, 4 slope) + slope rho. rho is the distance from the centre in
    units of half an axis.  Bisection determines the slope.  Samples come by dart throwing in a random order (Cook, ACM
    TOG 5:51, 1986), which fills the grid as densely as the discs allow.

    Below an acceleration of about 2.7 the slope is below 1/4, and r is below 1 about the centre.  Nearly all samples
    about the centre are then measured: on a grid even the smallest disc that excludes anything leaves less than half of
    the samples.

    Args:
        shape: (ny, nx) of the k-space.
        acceleration: ratio of all to measured samples, >= 1 [-].
        center_fraction: fully sampled share of each axis, in (0, 1] [-].
        seed: an int or a tuple of ints.

    Returns:
        (ny, nx) bool, True where measured.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    # All slopes use one order, so the number of samples hardly ever rises with the slope.
    order = np.random.RandomState(seed).permutation(shape[0] * shape[1])
    return poisson_darts(shape, acceleration, center_fraction, order)[0]


def poisson_darts(
    shape: tuple[int, int], acceleration: float, center_fraction: float, order: Int[np.ndarray, "cells"]
) -> tuple[Bool[np.ndarray, "ny nx"], Int[np.ndarray, "darts"]]:
    """Draw the mask of `poisson` from darts in a given order.

    Args:
        shape: (ny, nx) of the k-space.
        acceleration: ratio of all to measured samples, >= 1 [-].
        center_fraction: fully sampled share of each axis, in (0, 1] [-].
        order: indices of all cells of the flattened grid, in the order in which darts are thrown at them.

    Returns:
        The mask, and the samples outside the centre in the order in which they were taken.

    Raises:
        ValueError: If the mask cannot meet the request.
    """
    ny, nx = shape
    rows, columns = (centre_lines("poisson", n, acceleration, center_fraction) for n in shape)
    wanted = round(ny * nx / acceleration)
    if rows * columns >= wanted:
        raise no_room("poisson", rows * columns, wanted)
    mask = np.zeros(shape, bool)
    mask[centre_slice(ny, rows), centre_slice(nx, columns)] = True
    y, x = np.mgrid[:ny, :nx]
    rho = np.sqrt(((y - ny // 2) / (ny / 2)) ** 2 + ((x - nx // 2) / (nx / 2)) ** 2)
    darts = _tuned_darts(rho, order[~mask.ravel()[order]], wanted - rows * columns, np.sqrt(acceleration))
    mask.ravel()[darts] = True
    return mask, darts


def _tuned_darts(
    rho: Float[np.ndarray, "ny nx"], order: Int[np.ndarray, "cells"], wanted: int, guess: float
) -> Int[np.ndarray, "wanted"]:
    """Choose `wanted` cells of a Poisson disc with little surplus; `guess` starts the search for the slope."""
    low, high = 0.0, guess
    found = order  # discs of radius <= 1 hold one cell each, so slope 0 takes all cells
    limit = max(rho.shape)
    while high < limit and len(darts := _throw_darts(_radius(high, rho), order)) > wanted:
        low, high, found = high, 2 * high, darts
    for _ in range(_HALVINGS):
        if len(found) - wanted <= _SURPLUS * wanted:
            break
        middle = (low + high) / 2
        darts = _throw_darts(_radius(middle, rho), order)
        if len(darts) < wanted:
            high = middle
        else:
            low, found = middle, darts
    return found[:wanted]  # drop the last darts, which fill the smallest gaps


def _radius(slope: float, rho: Float[np.ndarray, "ny nx"]) -> Float[np.ndarray, "ny nx"]:
    """Radius of the disc around each cell, in grid steps."""
    return min(1.0, 4 * slope) + slope * rho


def _throw_darts(radius: Float[np.ndarray, "ny nx"], order: Int[np.ndarray, "cells"]) -> Int[np.ndarray, "darts"]:
    """Take the cells of `order` one after the other, each unless it lies in the disc of a cell taken before.

    Many cells are taken at a time.  Among the first candidates of the queue, a candidate that no earlier candidate
    covers is certain to be taken.  The rest goes back to the head of the queue, except for candidates that are now
    covered by an earlier dart.  The darts come in the order in which they were thrown.
    """
    nx = radius.shape[1]
    margin = int(np.ceil(radius.max()))
    stride = nx + 2 * margin  # the grid with a margin, so that no disc wraps around
    padded_radius = np.pad(radius, margin).ravel()
    dy, dx = np.mgrid[-margin : margin + 1, -margin : margin + 1].reshape(2, -1)
    distance = np.sqrt(dy**2 + dx**2)
    inside = distance < radius.max()
    distance, step = distance[inside], (dy * stride + dx)[inside]
    front_size = max(1, _TABLE // len(step))

    place = (order // nx + margin) * stride + order % nx + margin
    # The rank in `order` of the first dart that covers each cell.
    cover = np.full(padded_radius.size, len(order))
    queue = np.arange(len(order))
    taken = []
    while queue.size:
        front = queue[:front_size]
        in_disc = distance < padded_radius[place[front], None]
        cells = place[front, None] + step
        first = np.full(padded_radius.size, len(order))  # the same as `cover`, for candidates
        _cover(first, cells, in_disc, front)
        wins = first[place[front]] == front
        _cover(cover, cells[wins], in_disc[wins], front[wins])
        taken.append(front[wins])
        queue = queue[cover[place[queue]] > queue]  # a dart covers itself, so this drops the darts just taken too
    return order[np.sort(np.concatenate(taken))]


def _cover(lowest: np.ndarray, cells: np.ndarray, in_disc: np.ndarray, rank: np.ndarray) -> None:
    """Lower `lowest` (in place) to the rank of each candidate in the cells of its disc."""
    np.minimum.at(lowest, cells[in_disc], np.repeat(rank, in_disc.sum(axis=1)))
