"""Read ISMRMRD raw files (.h5) of Cartesian scans: 2-D slices, or 3-D volumes that are cut into slices.

What the scanner sent line by line is put in the layout of `data_prep.layout`: rows are the readout, columns the phase
encoding.  Samples that were not measured, of an asymmetric echo or of partial Fourier, are zero; repeated ones are
averaged.  A 3-D scan is transformed along its partitions, which must be sampled without gaps.
https://ismrmrd.readthedocs.io, Inati et al., MRM 77:411, 2017.

The files are read without the `ismrmrd` package, by the rules of `data_prep.ismrmrd_lines`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from data_prep.fourier import forward, inverse
from data_prep.header import Header
from data_prep.ismrmrd_lines import Lines, open_lines, read_lines
from data_prep.layout import Volume
from data_prep.safe_hdf5 import LARGEST_AXIS, LARGEST_DATASET, refusal
from jaxcs.coils.whiten import estimate_covariance, whiten
from jaxcs.fourier import image_slice

_NOISE, _REVERSE = 19, 22
# Separate calibration, navigators, phase correction, feedback, dummies, surface-coil correction, phase stabilisation.
_NO_IMAGE = (20, 23, 24, 26, 27, 28, 29, 30, 31)
_SERIES = ("contrast", "phase", "repetition", "set")
_MOST_COILS = 256
# The k-space array may be this many times larger than the samples in it: acceleration, partial Fourier, ellipses.
_LARGEST_FILLING = 64


class _Geometry(NamedTuple):
    """What the header says of the sampling.

    matrix: samples along readout, phase encoding and partitions.
    centre: the counters of the phase-encoding line and of the partition that hold the centre of k-space.
    image: (x, y, z) of the scanner's own image.
    """

    matrix: tuple[int, int, int]
    centre: tuple[int, int]
    image: tuple[int, int, int]


def volumes(path: Path) -> Iterator[Volume]:
    """The volumes of a file, one at a time: each contrast, phase, repetition and set is one.

    The first has the file's name; to the others' are added their counters, as in "scan-contrast1-repetition2".
    Columns that are missing between measured ones are in `mask`, those at the edges in `padding`.

    Noise scans whiten the coils, so that noise of the noise scan's bandwidth has the covariance 1.  Samples of Siemens
    scanners are conjugated: their images are the forward transform of k-space, and would come out rotated by half a
    turn.  `center_sample` is taken to count in the order of a readout that is not reversed.

    Raises InputError where the file is damaged, has no header or lines, is not Cartesian, is under-sampled other than
    by whole columns that all slices lack, or is too large.
    """
    path = Path(path)
    lines = open_lines(path)
    geometry = _geometry(path, lines.header)
    notes = ["complex conjugate of Siemens k-space"] if _is_of_siemens(lines) else []
    imaging, noise = _sort(lines, notes)
    coils = np.unique(lines.heads["active_channels"][imaging])
    if len(coils) != 1:
        raise refusal(path, f"imaging lines of {coils.tolist()} coils", "give a file whose lines agree")
    # Whitening takes the square of them in memory.
    if coils[0] > _MOST_COILS:
        raise refusal(path, f"lines of {coils[0]} coils", f"give a scan of at most {_MOST_COILS}")
    whitening = _whitening(lines, noise, int(coils[0]), notes)
    counters = np.stack([lines.heads["idx"][name][imaging] for name in _SERIES], axis=1)
    found, which, sizes = np.unique(counters, axis=0, return_inverse=True, return_counts=True)
    by_series = np.split(imaging[np.argsort(which.reshape(-1), kind="stable")], np.cumsum(sizes)[:-1])
    for series, chosen in zip(found, by_series, strict=True):
        # Sums may overflow where numbers are no measurements; what is not finite is refused in the end.
        with np.errstate(over="ignore", invalid="ignore"):
            volume = _volume(lines, geometry, chosen, whitening, series, tuple(notes))
        yield volume


def _volume(
    lines: Lines,
    geometry: _Geometry,
    chosen: np.ndarray,
    whitening: np.ndarray | None,
    series: np.ndarray,
    notes: tuple[str, ...],
) -> Volume:
    """One volume from its lines; `series` are its counters in the order of _SERIES."""
    kspace, counts = _place(lines, geometry, chosen)
    mask, padding = _sampling(lines.path, counts.max(axis=2) > 0)
    if counts.max() > 1:
        notes += (f"mean over up to {counts.max()} measurements of a sample",)
    if padding != (0, geometry.matrix[1]):
        notes += (f"columns [{padding[0]}, {padding[1]}) measured, zero elsewhere",)
    if (~counts.any(axis=(0, 1, 3))).any():
        notes += ("asymmetric echo, zero where it was not measured",)
    if geometry.matrix[2] > 1:
        kspace = _cut_partitions(kspace, geometry.image[2])
        notes += (f"3-D scan, {kspace.shape[1]} slices by Fourier transform along the partitions",)
    kspace = kspace.reshape(-1, *kspace.shape[2:])
    if whitening is not None:
        for index, coils in enumerate(kspace):
            kspace[index] = np.tensordot(whitening, coils, 1)
    if geometry.image[0] < kspace.shape[2]:
        notes += (f"readout oversampling removed, {kspace.shape[2]} rows to {geometry.image[0]}",)
        kspace = _cut_readout(kspace, geometry.image[0])
    if not np.isfinite(kspace).all():
        raise refusal(lines.path, "lines hold NaN, infinity or too large numbers", "repair the file or leave it out")
    suffix = "".join(f"-{name}{counter}" for name, counter in zip(_SERIES, series, strict=True) if counter)
    return Volume(
        name=lines.path.stem + suffix,
        kspace=kspace,
        crop=(min(geometry.image[0], kspace.shape[2]), min(geometry.image[1], kspace.shape[3])),
        mask=mask,
        padding=padding,
        acquisition=lines.header.words("measurementInformation/protocolName") or "unknown",
        patient=lines.header.words("subjectInformation/patientID") or "unknown",
        notes=notes,
    )


def _geometry(path: Path, header: Header) -> _Geometry:
    """Check the first encoding of the header."""
    encoding = header.find("encoding")
    if encoding is None:
        raise refusal(path, "the header has no 'encoding'", "give an ISMRMRD raw file with its header")
    trajectory = (encoding.words("trajectory") or "cartesian").lower()
    if trajectory != "cartesian":
        raise refusal(path, f"trajectory '{trajectory}'", "give a Cartesian scan")

    def matrix(space: str) -> tuple[int, int, int]:
        x, y, z = (encoding.number(f"{space}/matrixSize/{axis}") for axis in "xyz")
        if x is None or y is None or not all(1 <= size <= LARGEST_AXIS for size in (x, y, z or 1)):
            raise refusal(path, f"the header gives '{space}' the matrix {(x, y, z)}", "correct the header")
        return x, y, z or 1

    encoded, image = matrix("encodedSpace"), matrix("reconSpace")
    centres = [encoding.number(f"encodingLimits/kspace_encoding_step_{step}/center") for step in (1, 2)]
    middles = [size // 2 if centre is None else centre for size, centre in zip(encoded[1:], centres, strict=True)]
    if not all(0 <= middle <= LARGEST_AXIS for middle in middles):
        raise refusal(path, f"the header has the k-space centre at line {middles}", "correct its encoding limits")
    return _Geometry(encoded, (middles[0], middles[1]), image)


def _sort(lines: Lines, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the imaging and of the noise lines; what is left out is noted."""
    flags, encodings = lines.heads["flags"], lines.heads["encoding_space_ref"]
    noise = _flagged(flags, _NOISE)
    other = np.any([_flagged(flags, bit) for bit in _NO_IMAGE], axis=0)
    imaging = ~noise & ~other & (encodings == 0)
    left_out = int(np.sum(~noise & ~imaging))
    if left_out:
        notes.append(f"{left_out} lines of navigation, correction, calibration or another encoding left out")
    if not imaging.any():
        raise refusal(lines.path, "no imaging lines", "give a file with an image's k-space")
    return np.flatnonzero(imaging), np.flatnonzero(noise)


def _flagged(flags: np.ndarray, bit: int) -> np.ndarray:
    """Where the flag is set; ISMRMRD counts its bits from 1."""
    return (flags >> np.uint64(bit - 1)) & np.uint64(1) != 0


def _is_of_siemens(lines: Lines) -> bool:
    return "siemens" in (lines.header.words("acquisitionSystemInformation/systemVendor") or "").lower()


def _samples(lines: Lines, chosen: np.ndarray) -> Iterator[np.ndarray]:
    """The samples of each line whose number is in `chosen`, with the sign of fastMRI's transform."""
    stored = read_lines(lines, chosen)
    return (line.conj() for line in stored) if _is_of_siemens(lines) else stored


def _whitening(lines: Lines, noise: np.ndarray, coils: int, notes: list[str]) -> np.ndarray | None:
    """The matrix (coil, coil) complex64 that whitens, or None where no noise scan serves; noted."""
    noise = noise[lines.heads["active_channels"][noise] == coils]
    if not len(noise):
        return None
    samples = np.concatenate(list(_samples(lines, noise)), axis=1)
    scale = np.abs(samples).max()  # squares of raw values would fall below float32
    matrix = np.full((coils, coils), np.nan, np.complex64)
    if 0 < scale < np.inf:
        covariance = estimate_covariance(jnp.asarray(samples / scale))
        matrix = np.asarray(whiten(jnp.eye(coils, dtype=covariance.dtype), covariance) / scale)
    if not np.isfinite(matrix).all():
        notes.append("coils not whitened: the noise scan's covariance is singular")
        return None
    notes.append(f"coils whitened by {samples.shape[1]} noise samples")
    return matrix


def _place(lines: Lines, geometry: _Geometry, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lines put where they belong: k-space (slab, partition, coil, ny, nx), and how often each sample was measured.

    The latter is (slab, partition, ny, nx) int32; k-space is the mean over its measurements, and zero where none is.
    """
    heads, (rows, columns, partitions) = lines.heads[chosen], geometry.matrix
    slabs, slab = np.unique(heads["idx"]["slice"], return_inverse=True)
    column = heads["idx"]["kspace_encode_step_1"].astype(int) - geometry.centre[0] + columns // 2
    partition = np.zeros_like(column)
    if partitions > 1:
        partition = heads["idx"]["kspace_encode_step_2"].astype(int) - geometry.centre[1] + partitions // 2
    before, after = heads["discard_pre"].astype(int), heads["discard_post"].astype(int)
    samples, reverse = heads["number_of_samples"].astype(int), _flagged(heads["flags"], _REVERSE)
    # The first sample's row, once what is to be discarded is gone and a reversed line is turned round.
    first = np.where(reverse, after, before) - heads["center_sample"].astype(int) + rows // 2
    length = samples - before - after
    outside = (length < 1) | (first < 0) | (first + length > rows)
    for place, size in ((column, columns), (partition, partitions)):
        outside |= (place < 0) | (place >= size)
    if outside.any():
        problem = f"line {chosen[np.argmax(outside)]} lies outside the header's matrix {geometry.matrix}"
        raise refusal(lines.path, problem, "correct the header's matrix and encoding limits")
    coils = int(heads["active_channels"][0])
    places = len(slabs) * partitions * rows * columns
    if 8 * coils * places > LARGEST_DATASET or places > _LARGEST_FILLING * int(length.sum()):
        problem = f"{len(slabs)} slices of the header's matrix {geometry.matrix}, for {len(chosen)} lines"
        raise refusal(lines.path, problem, "correct the header, or give a smaller or more completely sampled scan")
    kspace = np.zeros((len(slabs), partitions, coils, rows, columns), np.complex64)
    counts = np.zeros((len(slabs), partitions, rows, columns), np.int32)
    for index, line in enumerate(_samples(lines, chosen)):
        line = line[:, before[index] : samples[index] - after[index]]
        line = line[:, ::-1] if reverse[index] else line
        place = slice(first[index], first[index] + length[index])
        kspace[slab[index], partition[index], :, place, column[index]] += line
        counts[slab[index], partition[index], place, column[index]] += 1
    if counts.max() > 1:
        kspace /= np.maximum(counts, 1)[:, :, None].astype(np.float32)
    return kspace, counts


def _sampling(path: Path, measured: np.ndarray) -> tuple[np.ndarray | None, tuple[int, int]]:
    """From where a line was measured, (slab, partition, nx): the mask of columns, and the padding.

    The mask is None where no column is missing between the first and the last.
    """
    by_slab = np.asarray(measured.any(axis=1))
    columns: np.ndarray = by_slab[0]
    if np.any(by_slab != columns):
        raise refusal(path, "slices differ in the columns that were measured", "give a scan in which they agree")
    # Along the partitions zeros are allowed at the edges only: the transform would fold what is missing in between.
    steps = np.diff(measured.astype(np.int8), axis=1, prepend=0)
    if np.any(np.sum(steps == 1, axis=1) > 1):
        raise refusal(path, "partitions are under-sampled", "give a scan whose partitions were sampled without gaps")
    found = np.flatnonzero(columns)
    left, right = int(found[0]), int(found[-1]) + 1
    return None if len(found) == right - left else columns, (left, right)


def _cut_partitions(kspace: np.ndarray, slices: int) -> np.ndarray:
    """(slab, partition, ...) -> (slab, slice, ...): the transform along the partitions, without slice oversampling."""
    kept = image_slice(kspace.shape[1], min(slices, kspace.shape[1]))
    return np.stack([inverse(slab, axes=(0,))[kept].astype(np.complex64) for slab in kspace])


def _cut_readout(kspace: np.ndarray, rows: int) -> np.ndarray:
    """(slice, coil, ny, nx) -> (slice, coil, rows, nx): the image cut about its centre, and back to k-space."""
    kept = image_slice(kspace.shape[2], rows)
    images = (inverse(coils, axes=(1,))[:, kept].astype(np.complex64) for coils in kspace)
    return np.stack([forward(image, axes=(1,)).astype(np.complex64) for image in images])
