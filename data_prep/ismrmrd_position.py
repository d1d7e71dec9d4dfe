"""The place in the patient of the slices of an ISMRMRD file, from the heads of its lines.

A head has the centre of the excited volume, `position`, and the unit vectors `read_dir`, `phase_dir` and `slice_dir`,
in (left, posterior, superior) [mm].  https://ismrmrd.readthedocs.io, AcquisitionHeader; Inati et al., MRM 77:411, 2017.
The centre lies on the sample of the image at index n // 2 of each axis, whose phase no gradient changes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from data_prep.geometry import VoxelGeometry

_DIRECTIONS = ("read_dir", "phase_dir", "slice_dir")
# Largest cosine between two directions, difference of their length from 1, and shares of a voxel's smallest edge
# by which places may differ.
_TOLERANCE = 1e-3
_TO_NIFTI = np.array([-1.0, -1, 1])  # from (left, posterior, superior) to (right, anterior, superior)


class Stack(NamedTuple):
    """The place of a stack of slices.

    Attributes:
        geometry: of the whole images of the encoded matrix; without an affine if the place is not known.
        order: (slice,) index of each slice of this geometry among the slices in the order of their counters.
    """

    geometry: VoxelGeometry
    order: np.ndarray


def stack_of(heads: np.ndarray, matrix: tuple[int, int, int], voxel: tuple[float, float, float]) -> Stack:
    """Find the place of the slices.

    The slices of a 2-D scan must lie above each other at equal distances, which include gaps.  They are put in their
    order along the line through their centres if their counters follow the order of measurement, as those of
    interleaved scans may do.  A 3-D scan must have one slab.

    Args:
        heads: (line,) records of ISMRMRD's AcquisitionHeader.
        matrix: samples along readout, phase encoding and partitions.
        voxel: edges along the same axes [mm].

    Returns:
        The place.  It is not known if the heads have no directions, or if lines or slices contradict each other.
    """
    counters, slab = np.unique(heads["idx"]["slice"], return_inverse=True)
    order = np.arange(len(counters))
    unknown = Stack(VoxelGeometry(voxel), order)
    slack = _TOLERANCE * min(voxel)
    axes = _stacked([_common(heads, name, _TOLERANCE) for name in _DIRECTIONS])  # (read, phase, slice), in rows
    middle = _stacked([_common(heads[slab == index], "position", slack) for index in order])
    if axes is None or middle is None:
        return unknown
    if np.abs(axes @ axes.T - np.eye(3)).max() > _TOLERANCE:
        return unknown
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    step = voxel[2] * axes[2]
    if len(order) > 1:
        along = (middle - middle[0]) @ axes[2]
        if not np.all(np.diff(along) < 0):  # else they are in order, from the other end
            order = np.argsort(along, kind="stable")
        middle = middle[order]
        step = (middle[-1] - middle[0]) / (len(order) - 1)
        thickness = float(np.linalg.norm(step))
        evenly = np.abs(middle - middle[0] - np.outer(np.arange(len(order)), step)).max() <= slack
        above = abs(step @ axes[2]) >= (1 - _TOLERANCE) * thickness
        if matrix[2] > 1 or thickness <= slack or not evenly or not above:
            return unknown
        voxel = (voxel[0], voxel[1], thickness)
    columns = np.stack([voxel[1] * axes[1], voxel[0] * axes[0], step], axis=1)  # (column, row, slice)
    first = middle[0] - columns @ (matrix[1] // 2, matrix[0] // 2, matrix[2] // 2)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = _TO_NIFTI[:, None] * columns, _TO_NIFTI * first
    return Stack(VoxelGeometry(voxel, affine), order)


def _stacked(vectors: list[np.ndarray | None]) -> np.ndarray | None:
    """The vectors as rows, or None if one is not known."""
    known = [vector for vector in vectors if vector is not None]
    return np.stack(known) if len(known) == len(vectors) else None


def _common(heads: np.ndarray, name: str, slack: float) -> np.ndarray | None:
    """The vector (3,) that all heads have in a field, or None if there is none that differs by less than `slack`."""
    if name not in (heads.dtype.names or ()) or heads[name].dtype.kind != "f" or heads[name].shape[1:] != (3,):
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # numbers that are no places agree with nothing
        vectors = heads[name].astype(np.float64)
        agree = bool(np.isfinite(vectors).all() and np.abs(vectors - vectors[0]).max() <= slack)
    return vectors[0] if agree else None
