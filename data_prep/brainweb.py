"""Heads of BrainWeb's twenty subjects: tissue maps become scans of a simulated receiver, in usual contrasts.

The maps (Aubert-Broche et al., IEEE Trans. Med. Imaging 25:1410, 2006) are downloaded by the user.  Two forms are read:

* BrainWeb's discrete models, `subjectNN_crisp_v.rawb` or `.rawb.gz`: 362 x 434 x 362 labels of 0.5 mm;
* an HDF5 file with `subjectNN` (slice, ny, nx, 3) of 0 or 1: vessels, grey and white matter at 0.5 mm, axial, the front
  of the head at the first row.  Fluid, skull and scalp are drawn around them.

Subjects are split once and for all, so that no subject is in two splits.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_prep import anatomy
from data_prep.anatomy import Anatomy
from data_prep.drawn_scan import FINE, STEP, Shares
from data_prep.layout import Volume
from data_prep.phantom.pieces import make_grid
from data_prep.safe_hdf5 import dataset_names, find_dataset, open_file, read, refusal
from data_prep.scalp import surround

SPLITS: Mapping[str, range] = {"train": range(1, 14), "validation": range(14, 16), "test": range(16, 21)}
_NAME = re.compile(r"subject(\d\d)")
_CRISP = (362, 434, 362)
# Labels 0 to 11 of the discrete models.
_OF_LABEL = (
    None, "fluid", "grey", "white", "fat", "muscle", "muscle", "bone", "muscle", "fat", "fluid", "fat",
)  # fmt: skip


class Head(NamedTuple):
    """The tissues of a subject.

    Attributes:
        number: the subject.
        path: the file.
        labels: (slice, ny, nx) discrete labels, or (slice, ny, nx, 3) maps of vessels, grey and white matter.
    """

    number: int
    path: Path
    labels: np.ndarray


def volumes(path: Path, split: str, contrasts: tuple[str, ...], slices: int) -> Iterator[Volume]:
    """Scan each subject of a split in each contrast.

    Args:
        path: a file, or a folder of BrainWeb's files.
        split: "train", "validation" or "test".
        contrasts: names out of `SEQUENCES`; none draws contrast and all else, for each slice (`anatomy.drawn`).
        slices: number of axial slices of a volume, evenly spaced over the brain.

    Yields:
        The volumes, one at a time, of 240 x 240 pixels of 1 mm.

    Raises:
        InputError: If a file cannot be used, or holds no subject of the split.
    """
    found = False
    for head in heads(path, SPLITS[split]):
        found = True
        yield from anatomy.volumes(_anatomy(head), contrasts, slices)
    if not found:
        numbers = SPLITS[split]
        raise refusal(path, f"no subject of the {split} split", f"give subjects {numbers[0]} to {numbers[-1]}")


def heads(path: Path, wanted: range) -> Iterator[Head]:
    """Read the tissues of the subjects whose numbers are wanted.  The errors are those of `volumes`."""
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.name.endswith((".rawb", ".rawb.gz")))
        if not files:
            raise refusal(path, "no .rawb or .rawb.gz file in this folder", "give BrainWeb's discrete models, or HDF5")
        for file in files:
            number = _number(file, file.name)
            if number in wanted:
                yield Head(number, file, _crisp(file))
        return
    if path.name.endswith((".rawb", ".rawb.gz")):
        number = _number(path, path.name)
        if number in wanted:
            yield Head(number, path, _crisp(path))
        return
    with open_file(path) as file:
        for name in dataset_names(file, "u"):
            number = _number(path, name)
            labels = find_dataset(file, name, "u", (4,)) if number in wanted else None
            if labels is None:
                continue
            if labels.shape[1:] != (FINE, FINE, 3):
                raise refusal(path, f"'{name}' has shape {labels.shape}", f"it must be (slice, {FINE}, {FINE}, 3)")
            yield Head(number, path, read(labels))


def _anatomy(head: Head) -> Anatomy:
    covered = np.array([np.count_nonzero(_brain(labels)) for labels in head.labels])
    if not covered.any():
        raise refusal(head.path, f"subject {head.number} has no grey or white matter", "use another file")
    subject = f"BrainWeb subject {head.number}"
    return Anatomy(f"brainweb{head.number:02d}", subject, head.number, covered, partial(_shares, head.labels))


def _number(path: Path, name: str) -> int:
    match = _NAME.match(name)
    if match is None:
        raise refusal(path, f"{name!r} names no subject", "names begin with subject and two digits, as BrainWeb's do")
    return int(match[1])


def _crisp(path: Path) -> np.ndarray:
    """Read the labels, axial slices from below, with the front of the head at the first row."""
    size = int(np.prod(_CRISP))
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as file:
            content = file.read(size + 1)
    except (OSError, EOFError) as error:
        raise refusal(path, f"cannot be read ({error})", "download it again") from error
    if len(content) != size:
        raise refusal(path, f"has not {size} bytes", f"it must hold {' x '.join(map(str, _CRISP))} labels of one byte")
    labels = np.frombuffer(content, np.uint8).reshape(_CRISP)
    if labels.max() >= len(_OF_LABEL):
        raise refusal(path, f"holds the label {labels.max()}", "give a discrete model, whose labels are 0 to 11")
    margins = [(0, 0), *(((FINE - n) // 2, (FINE - n + 1) // 2) for n in _CRISP[1:])]
    return np.pad(labels[:, ::-1], margins)


def _shares(slices: np.ndarray, index: int, rng: np.random.RandomState) -> Shares:
    """The share of each tissue in each pixel."""
    labels = slices[index]
    if labels.ndim == 2:
        names = sorted({name for name in _OF_LABEL if name is not None})
        return {name: np.isin(labels, [i for i, one in enumerate(_OF_LABEL) if one == name]) * 1.0 for name in names}
    shares = surround(rng, make_grid((FINE, FINE), STEP), _brain(labels))
    grey, white = (labels[..., i] > 0 for i in (1, 2))
    count = np.maximum(1.0 * grey + white, 1)
    shares |= {"grey": grey / count, "white": white / count}
    vessels = (labels[..., 0] > 0) & (np.asarray(sum(shares.values())) > 0)
    # Blood moves, and gives little signal in a spin echo.  The maps mark whatever a vessel touches.
    return {name: np.where(vessels, 0.5 * share, share) for name, share in shares.items()}


def _brain(labels: np.ndarray) -> np.ndarray:
    if labels.ndim == 2:
        return (labels == _OF_LABEL.index("grey")) | (labels == _OF_LABEL.index("white"))
    return (labels[..., 1] > 0) | (labels[..., 2] > 0)
