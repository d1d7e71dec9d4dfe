"""The mean head of 152 subjects, from its tissue probabilities of 1 mm: contrasts by signal equations.

The ICBM 152 template (Fonov et al., NeuroImage 54:313, 2011), symmetric and from 2009, is in the Python package
nilearn.  The probabilities are of grey and white matter; what is left of the brain is fluid.  Skull and scalp are drawn
around it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_prep import anatomy
from data_prep.anatomy import Anatomy
from data_prep.colin27 import refined
from data_prep.drawn_scan import FINE, STEP, Shares
from data_prep.layout import Volume
from data_prep.nifti import read_nifti
from data_prep.packages import of_python
from data_prep.phantom.pieces import make_grid
from data_prep.scalp import surround

PACKAGE = "nilearn==0.14.1"
_GREY = "mni_icbm152_gm_tal_nlin_sym_09a_converted.nii.gz"
_WHITE = "mni_icbm152_wm_tal_nlin_sym_09a_converted.nii.gz"
HASHES = {
    _GREY: "9800242e730cec0d4ae97358d232904d09771bb0f10202ea4bf80eee50609b43",
    _WHITE: "7c78a23ddd786979edbb50bdada52c86c405cf2986baee5df5791e0200d7ffeb",
}
_WHOLE = 255.0  # the value of a probability of 1
_NUMBER = 101  # after those of BrainWeb


def volumes(folder: Path, contrasts: tuple[str, ...], slices: int) -> Iterator[Volume]:
    """Scan the head in each contrast.

    Args:
        folder: folder of the probabilities, which are fetched if they are not there.
        contrasts: names out of `data_prep.contrast.SEQUENCES`; none draws contrast and all else, for each slice.
        slices: number of axial slices of a volume, evenly spaced over the brain.

    Yields:
        The volumes, one at a time.

    Raises:
        InputError: If the probabilities cannot be fetched, or are others.
        OSError: If the folder cannot be written to.
    """
    # The front of the head is at the first row, as in BrainWeb.
    grey, white = (read_nifti(path).images[0, :, ::-1] / _WHOLE for path in of_python(folder, PACKAGE, HASHES))
    covered = np.count_nonzero(grey + white > 0.5, axis=(1, 2))

    def slice_of(index: int, rng: np.random.RandomState) -> Shares:
        return _shares(refined(grey[index]), refined(white[index]), rng)

    yield from anatomy.volumes(Anatomy("icbm152", "ICBM 152", _NUMBER, covered, slice_of), contrasts, slices)


def _shares(grey: np.ndarray, white: np.ndarray, rng: np.random.RandomState) -> Shares:
    """The share of each tissue in each pixel; together at most 1."""
    both = grey + white
    grey, white, both = (share / np.maximum(both, 1) for share in (grey, white, both))
    brain = both > 0.5
    shares = {name: share * (1 - both) for name, share in surround(rng, make_grid((FINE, FINE), STEP), brain).items()}
    shares["fluid"] = shares["fluid"] + brain * (1 - both)
    return shares | {"grey": grey, "white": white}
