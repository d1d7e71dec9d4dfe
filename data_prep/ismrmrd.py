"""Read ISMRMRD raw files (.h5) of Cartesian scans: 2-D slices, or 3-D volumes that are cut into slices.

The scanner's lines are arranged in the layout of `data_prep.layout`: rows are the readout, columns the phase encoding.
Unmeasured samples of an asymmetric echo or of partial Fourier are zero.  Repeated samples are averaged.  A 3-D scan is
transformed along its partitions, which must be sampled without gaps. https://ismrmrd.readthedocs.io, Inati et al., MRM
77:411, 2017.

The files are read without the `ismrmrd` package, by the rules of `data_prep.ismrmrd_lines`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from data_prep.fourier import forward, inverse
from data_prep.ismrmrd_geometry import Geometry, Places, places, read_geometry
from data_prep.ismrmrd_lines import GROUP, Lines, open_lines, read_lines
from data_prep.ismrmrd_position import stack_of
from data_prep.ismrmrd_sorting import SERIES, reversed_lines, sort
from data_prep.layout import Volume
from data_prep.safe_hdf5 import LARGEST_DATASET, refusal
from jaxcs.coils.whiten import estimate_covariance, whiten
from jaxcs.fourier import image_slice
from jaxcs.names import printable

_MOST_COILS = 256
# The k-space array may be this many times larger than the samples in it.  Acceleration, partial Fourier and elliptical
# scanning leave part of it empty.
_LARGEST_FILLING = 64


def volumes(path: Path) -> Iterator[Volume]:
    """Read the volumes of a file, one for each contrast, phase, repetition and set.

    The first volume has the file's name.  The names of the others also have their counters, such as
    "scan-contrast1-repetition2".  `mask` lacks columns that are missing between measured columns; `padding` describes
    missing columns at the edges.

    Noise scans whiten the coils, so that noise of the noise scan's bandwidth has the covariance 1.  Samples of Siemens
    scanners are conjugated.  Their images are the forward transform of k-space, and would otherwise be rotated by half
    a turn.  The scan's own calibration lines are used as measured lines (`data_prep.ismrmrd_sorting`).

    Args:
        path: the file.

    Yields:
        The volumes, one at a time.

    Raises:
        InputError: If the file is damaged, has no header or lines, is not Cartesian, or is too large.  Also if it is
            under-sampled in any other way than by whole columns missing in all slices.
    """
    path = Path(path)
    lines = open_lines(path)
    notes = [] if lines.group == GROUP else [f"from the group '{printable(lines.group)}'"]
    notes += ["complex conjugate of Siemens k-space"] if _is_of_siemens(lines) else []
    geometry = read_geometry(path, lines.header, notes)
    imaging, noise = sort(lines, notes)
    coils = np.unique(lines.heads["active_channels"][imaging])
    if len(coils) != 1:
        raise refusal(path, f"imaging lines of {coils.tolist()} coils", "give a file whose lines agree")
    # Whitening squares the number of coils in memory.
    if coils[0] > _MOST_COILS:
        raise refusal(path, f"lines of {coils[0]} coils", f"give a scan of at most {_MOST_COILS}")
    placed = places(lines, geometry, imaging, notes)
    whitening = _whitening(lines, noise, int(coils[0]), notes)
    counters = np.stack([lines.heads["idx"][name][imaging] for name in SERIES], axis=1)
    found, which, sizes = np.unique(counters, axis=0, return_inverse=True, return_counts=True)
    by_series = np.split(np.argsort(which.reshape(-1), kind="stable"), np.cumsum(sizes)[:-1])
    for series, part in zip(found, by_series, strict=True):
        there = Places(*(numbers[part] for numbers in placed))
        # Sums may overflow if the numbers are not measurements.  Non-finite values are refused in the end.
        with np.errstate(over="ignore", invalid="ignore"):
            volume = _volume(lines, geometry, imaging[part], there, whitening, series, tuple(notes))
        yield volume


def _volume(
    lines: Lines,
    geometry: Geometry,
    chosen: np.ndarray,
    there: Places,
    whitening: np.ndarray | None,
    series: np.ndarray,
    notes: tuple[str, ...],
) -> Volume:
    """One volume from its lines; `series` are its counters in the order of SERIES."""
    stack = None if geometry.voxel is None else stack_of(lines.heads[chosen], geometry.matrix, geometry.voxel)
    kspace, counts = _fill(lines, geometry, chosen, there)
    mask, padding = _sampling(lines.path, counts.max(axis=2) > 0)
    if counts.max() > 1:
        notes += (f"mean over up to {counts.max()} measurements of a sample",)
    if padding != (0, geometry.matrix[1]):
        notes += (f"columns [{padding[0]}, {padding[1]}) measured, zero elsewhere",)
    if (~counts.any(axis=(0, 1, 3))).any():
        notes += ("asymmetric echo, zero where it was not measured",)
    if geometry.matrix[2] > 1:
        kspace = _cut_partitions(kspace, _kept(geometry, 2))
        notes += (f"3-D scan, {kspace.shape[1]} slices by Fourier transform along the partitions",)
    if stack is not None and np.any(np.diff(stack.order) < 0):
        kspace = kspace[stack.order]
        notes += ("slices in the order of their places, which is not that of their counters",)
    kspace = kspace.reshape(-1, *kspace.shape[2:])
    if whitening is not None:
        for index, coils in enumerate(kspace):
            kspace[index] = np.tensordot(whitening, coils, 1)
    first, top = _kept(geometry, 2).start, _kept(geometry, 0).start
    if geometry.image[0] < kspace.shape[2]:
        notes += (f"readout oversampling removed, {kspace.shape[2]} rows to {geometry.image[0]}",)
        kspace = _cut_readout(kspace, _kept(geometry, 0))
    if not np.isfinite(kspace).all():
        raise refusal(lines.path, "lines hold NaN, infinity or too large numbers", "repair the file or leave it out")
    suffix = "".join(f"-{name}{counter}" for name, counter in zip(SERIES, series, strict=True) if counter)
    return Volume(
        name=lines.path.stem + suffix,
        kspace=kspace,
        crop=(min(geometry.image[0], kspace.shape[2]), min(geometry.image[1], kspace.shape[3])),
        mask=mask,
        padding=padding,
        acquisition=lines.header.words("measurementInformation/protocolName") or "unknown",
        patient=lines.header.words("subjectInformation/patientID") or "unknown",
        notes=notes,
        geometry=None if stack is None else stack.geometry.moved(0, top, first),
    )


def _is_of_siemens(lines: Lines) -> bool:
    return "siemens" in (lines.header.words("acquisitionSystemInformation/systemVendor") or "").lower()


def _samples(lines: Lines, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """The samples of each line whose number is in `chosen`, with the sign of fastMRI's transform."""
    stored = read_lines(lines, chosen)
    return (line.conj() for line in stored) if _is_of_siemens(lines) else stored


def _whitening(lines: Lines, noise: np.ndarray, coils: int, notes: list[str]) -> np.ndarray | None:
    """The whitening matrix (coil, coil) complex64, or None if no noise scan can be used; noted either way."""
    noise = noise[lines.heads["active_channels"][noise] == coils]
    if not len(noise):
        return None
    size = 8 * coils * int(np.sum(lines.heads["number_of_samples"][noise], dtype=np.int64))
    if size > LARGEST_DATASET:
        raise refusal(lines.path, f"noise scans of {size} bytes", f"keep them to at most {LARGEST_DATASET}")
    samples = np.concatenate(list(_samples(lines, noise)), axis=1)
    scale = np.abs(samples).max()  # squares of raw values would be below the range of float32
    matrix = np.full((coils, coils), np.nan, np.complex64)
    if 0 < scale < np.inf:
        covariance = estimate_covariance(jnp.asarray(samples / scale))
        matrix = np.asarray(whiten(jnp.eye(coils, dtype=covariance.dtype), covariance) / scale)
    if not np.isfinite(matrix).all():
        notes.append("coils not whitened: the noise scan's covariance is singular")
        return None
    notes.append(f"coils whitened by {samples.shape[1]} noise samples")
    return matrix


def _fill(lines: Lines, geometry: Geometry, chosen: np.ndarray, there: Places) -> tuple[np.ndarray, np.ndarray]:
    """Put lines at their places: k-space (slab, partition, coil, ny, nx), and how often each sample was measured.

    The counts are (slab, partition, ny, nx) int32.  A sample of k-space is the mean over its measurements, or zero if
    there are none.
    """
    heads, (rows, columns, partitions) = lines.heads[chosen], geometry.matrix
    slabs, slab = np.unique(heads["idx"]["slice"], return_inverse=True)
    before, reverse = heads["discard_pre"].astype(int), reversed_lines(heads)
    coils = int(heads["active_channels"][0])
    places = len(slabs) * partitions * rows * columns
    if 8 * coils * places > LARGEST_DATASET or places > _LARGEST_FILLING * int(there.length.sum()):
        problem = f"{len(slabs)} slices of the header's matrix {geometry.matrix}, for {len(chosen)} lines"
        raise refusal(lines.path, problem, "correct the header, or give a smaller or more completely sampled scan")
    kspace = np.zeros((len(slabs), partitions, coils, rows, columns), np.complex64)
    counts = np.zeros((len(slabs), partitions, rows, columns), np.int32)
    for index, line in enumerate(_samples(lines, chosen)):
        column, partition, first, length = (numbers[index] for numbers in there)
        line = line[:, before[index] : before[index] + length]
        line = line[:, ::-1] if reverse[index] else line
        kspace[slab[index], partition, :, first : first + length, column] += line
        counts[slab[index], partition, first : first + length, column] += 1
    if counts.max() > 1:
        kspace /= np.maximum(counts, 1)[:, :, None].astype(np.float32)
    return kspace, counts


def _sampling(path: Path, measured: np.ndarray) -> tuple[np.ndarray | None, tuple[int, int]]:
    """The mask of columns and the padding, from the measured lines (slab, partition, nx) bool.

    The mask is None if no column is missing between the first and the last measured column.
    """
    by_slab = np.asarray(measured.any(axis=1))
    columns: np.ndarray = by_slab[0]
    if np.any(by_slab != columns):
        raise refusal(path, "slices differ in the columns that were measured", "give a scan in which they agree")
    # Zeros along the partitions are allowed at the edges only, because the transform would fold inner gaps.
    steps = np.diff(measured.astype(np.int8), axis=1, prepend=0)
    if np.any(np.sum(steps == 1, axis=1) > 1):
        raise refusal(path, "partitions are under-sampled", "give a scan whose partitions were sampled without gaps")
    found = np.flatnonzero(columns)
    left, right = int(found[0]), int(found[-1]) + 1
    return None if len(found) == right - left else columns, (left, right)


def _kept(geometry: Geometry, axis: int) -> slice:
    """The part of an axis of the encoded matrix that the image has, readout or partitions."""
    return image_slice(geometry.matrix[axis], min(geometry.image[axis], geometry.matrix[axis]))


def _cut_partitions(kspace: np.ndarray, kept: slice) -> np.ndarray:
    """(slab, partition, ...) -> (slab, slice, ...): the transform along the partitions, without slice oversampling."""
    return np.stack([inverse(slab, axes=(0,))[kept].astype(np.complex64) for slab in kspace])


def _cut_readout(kspace: np.ndarray, kept: slice) -> np.ndarray:
    """(slice, coil, ny, nx) -> (slice, coil, rows, nx): the image cut about its centre, and back to k-space."""
    images = (inverse(coils, axes=(1,))[:, kept].astype(np.complex64) for coils in kspace)
    return np.stack([forward(image, axes=(1,)).astype(np.complex64) for image in images])
