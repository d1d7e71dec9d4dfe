"""The layout of fastMRI's HDF5 files, knee and brain, multi-coil and single-coil, checked before values are read.

A file has `kspace` (slice, coil, ny, nx), or (slice, ny, nx) for a single coil.  The target is
`reconstruction_rss`, or `reconstruction_esc` for a single coil, (slice, ty, tx).  Optional are `mask` (nx,), `maps`
with the shape of `kspace`, the XML text `ismrmrd_header`, and the attributes `max`, `padding_left` and
`padding_right`.  This project adds `boxes`, see `data_prep.layout`.  https://fastmri.med.nyu.edu, Zbontar et al.,
arXiv:1811.08839.
"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from data_prep.cases import Box, Doubt
from data_prep.file_kinds import kind_in, kind_of
from data_prep.header import parse
from data_prep.safe_hdf5 import find_dataset, holds, number_attribute, read, read_text, refusal
from data_prep.text import decoded
from jaxcs.names import printable

# The limits of the attribute `max`, because metrics use it as float32.
_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)

_LARGEST_PLACE = 2**31 - 1  # largest number in a box


class OpenVolume(NamedTuple):
    """An open file whose layout has been checked.

    Attributes:
        path: path of the file.
        kspace: (slice, coil, ny, nx), or (slice, ny, nx) for a single coil.
        target: (slice, ty, tx), or None if the file has none.
        maps: coil sensitivity maps with the shape of `kspace`, or None.
        boxes: boxes around pathology.
        mask: (nx,) bool if the file is already under-sampled, else None.
        padding: (left, right).  Columns [left, right) were measured.
        crop: (ty, tx) of the target, also if the target must be computed.
        maximum: maximum of the volume's targets, or None if the file does not give it.
        doubts: contradictions between the header and the array.
    """

    path: Path
    kspace: h5py.Dataset
    target: h5py.Dataset | None
    maps: h5py.Dataset | None
    boxes: list[Box]
    mask: np.ndarray | None
    padding: tuple[int, int]
    crop: tuple[int, int]
    maximum: float | None
    doubts: tuple[Doubt, ...]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(coil, ny, nx) of a slice."""
        ny, nx = self.kspace.shape[-2:]
        return self.kspace.shape[1] if self.kspace.ndim == 4 else 1, ny, nx


class _Header(NamedTuple):
    """The numbers that are used of an ISMRMRD header; None if the header lacks them.

    Attributes:
        rows: rows of the encoded matrix.
        columns: columns of the encoded matrix.
        centre: phase-encode line that holds the centre of k-space.
        maximum: phase-encode line that was measured last.
        recon: (rows, columns) of the scanner's own image.
    """

    rows: int | None = None
    columns: int | None = None
    centre: int | None = None
    maximum: int | None = None
    recon: tuple[int, int] | None = None


def volume_files(path: Path) -> list[Path]:
    """List the files of a path.

    Args:
        path: a file or a folder.

    Returns:
        The file itself, or the folder's `*.h5` files in the order of their names.  Hidden files are left out (macOS
        leaves "._name.h5" beside a copy).

    Raises:
        InputError: If the folder cannot be listed or has no such file.
    """
    if not path.is_dir():
        return [path]
    try:
        files = sorted(file for file in path.iterdir() if file.suffix == ".h5" and not file.name.startswith("."))
        known = None if files else kind_in(path)
    except OSError as error:
        raise refusal(path, error.strerror or "cannot be listed", "check the folder's permissions") from error
    if not files:
        if known is not None:
            problem = f"no .h5 file in this folder, but {known[0].name}, {known[1].words}"
            raise refusal(path, problem, known[1].remedy)
        raise refusal(path, "no .h5 file in this folder", "give a folder of fastMRI files, or one file")
    return files


def open_volume(path: Path, file: h5py.File) -> OpenVolume:
    """Check the layout of an open file.

    Only the header, the boxes and the mask are read.

    Args:
        path: path of the file.
        file: the open file.

    Returns:
        The checked file.

    Raises:
        InputError: If the file is damaged or not of fastMRI's layout.
    """
    kspace = find_dataset(file, "kspace", kinds="c", axes=(3, 4))
    if kspace is None:
        known = kind_of(path)
        remedy = "convert it by python -m data_prep, or give a file of fastMRI's layout"
        if known is not None:
            remedy = known.remedy
        elif holds(file, "dataset"):
            remedy = "if it is an ISMRMRD raw file, convert it by python -m data_prep ismrmrd"
        raise refusal(path, f"no dataset 'kspace'{f', it is {known.words}' if known else ''}", remedy)
    slices, (ny, nx) = kspace.shape[0], kspace.shape[-2:]
    target_name = "reconstruction_esc" if kspace.ndim == 3 else "reconstruction_rss"
    target = find_dataset(file, target_name, kinds="f", axes=(3,))
    if target is not None and target.shape[0] != slices:
        problem = f"'{target_name}' has {target.shape[0]} slices, 'kspace' {slices}"
        raise refusal(path, problem, "give a file in which they agree")
    maps = find_dataset(file, "maps", kinds="c", axes=(kspace.ndim,))
    if maps is not None and maps.shape != kspace.shape:
        problem = f"'maps' has shape {maps.shape}, 'kspace' {kspace.shape}"
        raise refusal(path, problem, "give maps of the shape of 'kspace'")
    header = _header(path, file)
    ty, tx = target.shape[1:] if target is not None else header.recon or (ny, nx)
    maximum = number_attribute(file, "max")
    if maximum is not None and not _SMALLEST <= maximum <= _LARGEST:
        raise refusal(path, f"attribute 'max' is {maximum}", "correct it, or delete it to have it computed")
    return OpenVolume(
        path=path,
        kspace=kspace,
        target=target,
        maps=maps,
        boxes=_boxes(path, file),
        mask=_mask(path, file, nx),
        padding=_padding(path, file, header, nx),
        # The target can be wider than k-space, as in a FLAIR volume of 203 columns.
        crop=(min(ty, ny), min(tx, nx)),
        maximum=maximum,
        doubts=_exchanged(header, (ny, nx)),
    )


def has_truth(volume: OpenVolume) -> bool:
    """Tell whether there is a ground truth to compare a reconstruction with."""
    return volume.mask is None or volume.target is not None


def require_truth(volume: OpenVolume) -> None:
    """Raise InputError if there is no ground truth to compare a reconstruction with."""
    if not has_truth(volume):
        problem = "already under-sampled (it has a 'mask') and without the ground truth 'reconstruction_rss'"
        raise refusal(volume.path, problem, "give a fully sampled file, fastMRI's train or val and not its test")


def _mask(path: Path, file: h5py.File, nx: int) -> np.ndarray | None:
    """The (nx,) bool mask of an under-sampled file, or None for a fully sampled file."""
    dataset = find_dataset(file, "mask", kinds="biuf", axes=(1,))
    if dataset is None:
        return None
    mask = read(dataset)
    if mask.shape != (nx,) or not np.isin(mask, (0, 1)).all() or not mask.any():
        problem = f"'mask' does not say 0 or 1 for each of the {nx} columns, with at least one 1"
        raise refusal(path, problem, "correct it, or delete it if the file is fully sampled")
    return mask.astype(bool)


def _boxes(path: Path, file: h5py.File) -> list[Box]:
    """All boxes of a file; `data_prep.check` reports boxes outside the image."""
    dataset = find_dataset(file, "boxes", kinds="iu", axes=(2,))
    if dataset is None:
        return []
    if dataset.shape[1] != 5:
        problem = f"'boxes' has {dataset.shape[1]} columns"
        raise refusal(path, problem, "store slice, row, column, rows and columns")
    rows = read(dataset).tolist()
    largest = max(max(map(abs, row)) for row in rows)
    if largest > _LARGEST_PLACE:
        problem = f"'boxes' has the number {largest}"
        raise refusal(path, problem, f"store slice, row, column, rows and columns, of at most {_LARGEST_PLACE}")
    labels = decoded(read_text(file, "box_labels") or b"").split("\n")
    pairs = zip_longest(rows, labels[: len(rows)], fillvalue="")
    return [Box(path.stem, *row)._replace(label=printable(label)) for row, label in pairs]


def _padding(path: Path, file: h5py.File, header: _Header, nx: int) -> tuple[int, int]:
    """The measured columns [left, right), as fastMRI defines them: from the attributes, else from the header."""
    left, right = number_attribute(file, "padding_left"), number_attribute(file, "padding_right")
    if left is not None or right is not None:
        left, right = left or 0, nx if right is None else right
        if not 0 <= left < right <= nx or left % 1 or right % 1:
            problem = f"padding_left {left:g} and padding_right {right:g} are not a range within {nx} columns"
            raise refusal(path, problem, "correct or delete these attributes")
        return int(left), int(right)
    # If the header encodes another width than k-space has, its lines cannot be assigned to columns.
    if header.columns != nx or header.centre is None or header.maximum is None:
        return 0, nx
    first = nx // 2 - header.centre
    left, right = max(first, 0), min(first + header.maximum + 1, nx)
    if left >= right:
        problem = f"the header's limits, centre {header.centre} and maximum {header.maximum}, leave no column"
        raise refusal(path, problem, "correct the header or set padding_left and padding_right")
    return left, right


def _header(path: Path, file: h5py.File) -> _Header:
    """The numbers of the file's ISMRMRD header, if it has a header."""
    text = read_text(file, "ismrmrd_header")
    if text is None:
        return _Header()
    encoding = parse(path, "ismrmrd_header", text).find("encoding")
    if encoding is None:
        return _Header()
    rows, columns = encoding.number("reconSpace/matrixSize/x"), encoding.number("reconSpace/matrixSize/y")
    header = _Header(
        rows=encoding.number("encodedSpace/matrixSize/x"),
        columns=encoding.number("encodedSpace/matrixSize/y"),
        centre=encoding.number("encodingLimits/kspace_encoding_step_1/center"),
        maximum=encoding.number("encodingLimits/kspace_encoding_step_1/maximum"),
        recon=None if rows is None or columns is None else (rows, columns),
    )
    if header.recon is not None and min(header.recon) < 1:
        raise refusal(path, f"'ismrmrd_header' gives the image size {header.recon}", "correct or delete it")
    return header


def _exchanged(header: _Header, shape: tuple[int, int]) -> tuple[Doubt, ...]:
    """A doubt if k-space of `shape` has the header's matrix with rows and columns exchanged."""
    if shape == (header.rows, header.columns) or shape != (header.columns, header.rows):
        return ()
    text = (
        f"'kspace' has {shape[0]} rows and {shape[1]} columns, but the header encodes {header.rows} rows (readout) and "
        f"{header.columns} columns (phase encoding): exchange the last two axes of 'kspace' and of all that has its "
        "shape, or correct the header"
    )
    return (Doubt("the axes of k-space are those of the header exchanged", text),)
