"""Draw the column masks of the `fastmri` package, version 0.3.0, into fastmri_masks.npz next to this file.

The stored masks are the reference of test_masks.py.  To draw them anew, in an environment with PyTorch:

    pip install torch && pip install --no-deps fastmri==0.3.0
    python tests/parity/make_fastmri_masks.py

* masks: (kind, width, pair, seed, bytes) uint8, each mask packed by `numpy.packbits` and padded with zeros.
* kinds, widths, pairs (acceleration, center fraction), seeds: the axes.  A seed of digits is an int.  Any other seed is
  a file name, whose character codes are the seed.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from fastmri.data.subsample import create_mask_for_mask_type

KINDS = ("random", "equispaced", "equispaced_fraction", "magic", "magic_fraction")
WIDTHS = (320, 322, 368, 372, 396, 640, 33, 321, 367)
PAIRS = ((4, 0.08), (4, 0.07), (4, 0.04), (8, 0.08), (8, 0.07), (8, 0.04))
SEEDS = ("0", "42", "123", "4294967295", "file1000769.h5", "file_brain_AXT2_200_2000019.h5")


def draw(kind: str, width: int, pair: tuple[int, float], seed: str) -> np.ndarray:
    """Draw one mask of the package, packed."""
    acceleration, center_fraction = pair
    function = create_mask_for_mask_type(kind, [center_fraction], [acceleration])
    number = int(seed) if seed.isdigit() else tuple(map(ord, seed))
    mask, _ = function((1, width, 2), seed=number)
    packed = np.packbits(mask.numpy().reshape(-1).astype(bool))
    return np.pad(packed, (0, -(-max(WIDTHS) // 8) - len(packed)))


def main() -> None:
    """Draw and store all masks."""
    axes = (KINDS, WIDTHS, PAIRS, SEEDS)
    masks = np.array([draw(*case) for case in itertools.product(*axes)])
    np.savez_compressed(
        Path(__file__).with_name("fastmri_masks.npz"),
        masks=masks.reshape(*map(len, axes), -1),
        kinds=KINDS,
        widths=WIDTHS,
        pairs=PAIRS,
        seeds=SEEDS,
    )


if __name__ == "__main__":
    main()
