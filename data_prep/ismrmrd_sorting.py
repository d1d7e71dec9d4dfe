"""Sort the lines of an ISMRMRD scan: imaging lines, noise measurements, and lines to leave out.

The flags of a line describe its purpose; ISMRMRD counts their bits from 1.
"""

from __future__ import annotations

import numpy as np

from data_prep.ismrmrd_lines import Lines
from data_prep.safe_hdf5 import refusal

SERIES = ("contrast", "phase", "repetition", "set")
_NOISE, _CALIBRATION, _BOTH, _REVERSE = 19, 20, 21, 22
_NO_IMAGE = {
    23: "navigation",
    24: "phase correction",
    26: "feedback",
    27: "dummy scan",
    28: "feedback",
    29: "surface coil correction",
    30: "phase stabilisation",
    31: "phase stabilisation",
}
_PLACE = ("kspace_encode_step_1", "kspace_encode_step_2", "slice", *SERIES)
_SHAPE = ("number_of_samples", "active_channels", "discard_pre", "discard_post", "center_sample")


def sort(lines: Lines, notes: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sort the lines of a scan.

    Calibration lines that are part of the scan, such as GRAPPA's lines in the centre of k-space, count as imaging
    lines.

    Args:
        lines: the lines of the file.
        notes: list to which the omitted lines are added.

    Returns:
        The numbers of the imaging lines and of the noise lines, both in order.

    Raises:
        InputError: If no line belongs to an image.
    """
    flags = lines.heads["flags"]
    noise = _flagged(flags, _NOISE)
    kinds = [(_flagged(flags, bit), words) for bit, words in _NO_IMAGE.items()]
    kinds.append((lines.heads["encoding_space_ref"] != 0, "another encoding"))
    others: dict[str, int] = {}
    left = ~noise
    for kind, words in kinds:
        others[words] = others.get(words, 0) + int(np.sum(left & kind))
        left &= ~kind
    calibration = left & _flagged(flags, _CALIBRATION)
    imaging = left & ~calibration
    if not imaging.any():
        raise refusal(lines.path, "no imaging lines", "give a file with an image's k-space")
    embedded = _embedded(lines, imaging, calibration)
    if embedded.any():
        notes.append(f"{embedded.sum()} calibration lines of the scan itself count as measured")
    others["calibration"] = int(np.sum(calibration & ~embedded))
    if any(others.values()):
        notes.append("lines left out: " + ", ".join(f"{count} of {words}" for words, count in others.items() if count))
    return np.flatnonzero(imaging | embedded), np.flatnonzero(noise)


def reversed_lines(heads: np.ndarray) -> np.ndarray:
    """Mark the lines whose samples are stored in reversed order.

    Args:
        heads: (line,) records of ISMRMRD's AcquisitionHeader.

    Returns:
        (line,) bool.
    """
    return _flagged(heads["flags"], _REVERSE)


def _embedded(lines: Lines, imaging: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """(line,) bool: calibration lines on the grid of the imaging lines, at places that no imaging line has measured.

    A scan that calibrates itself says so in its header, or by lines that serve both purposes.  A separate calibration
    scan has another contrast, and repeats lines of the image.
    """
    found = np.zeros_like(calibration)
    mode = (lines.header.words("encoding/parallelImaging/calibrationMode") or "").lower()
    itself = mode == "embedded" or (not mode and _flagged(lines.heads["flags"][imaging], _BOTH).any())
    if not itself or not calibration.any():
        return found
    shapes = np.stack([lines.heads[name] for name in _SHAPE], axis=1)
    places = np.stack([lines.heads["idx"][name] for name in _PLACE], axis=1)
    measured, known = ({row.tobytes() for row in rows[imaging]} for rows in (places, shapes))
    for line in np.flatnonzero(calibration):
        found[line] = shapes[line].tobytes() in known and places[line].tobytes() not in measured
    return found


def _flagged(flags: np.ndarray, bit: int) -> np.ndarray:
    """True for each entry of `flags` in which the flag is set."""
    return (flags >> np.uint64(bit - 1)) & np.uint64(1) != 0
