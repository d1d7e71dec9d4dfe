"""Boxes of the same sizes beside those that were drawn, the control of an attack on findings.

An attack on a small box does harm in any box.  Only its harm in a box without a finding tells whether findings are more
fragile than what is around them.
"""

from __future__ import annotations

import numpy as np

# Pixels between a control and other boxes, so that no window of SSIM lies in two of them.
_GAP = 1
# Least mean of a control, relative to that of its box: the object, and not the air beside it.
_LEAST = 0.5

Place = tuple[int, int, int, int]


def controls(boxes: list[Place], image: np.ndarray) -> list[Place | None]:
    """Place a box of equal size beside each box: the nearest place in the object that meets no box and no control.

    Args:
        boxes: (first row, first column, rows, columns) of each box, inside the image.
        image: (ty, tx) truth.

    Returns:
        The controls; None for a box beside which there is no room.
    """
    sums = np.pad(np.cumsum(np.cumsum(image, 0, np.float64), 1), ((1, 0), (1, 0)))
    taken, found = list(boxes), list[Place | None]()
    for row, column, rows, columns in boxes:
        # Means of the boxes of this size at all places.
        means = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
        at = np.indices(means.shape)
        distance = (at[0] - row) ** 2 + (at[1] - column) ** 2
        free = means >= _LEAST * means[row, column]
        for first, second, height, width in taken:
            apart = (at[0] >= first + height + _GAP) | (at[0] + rows + _GAP <= first)
            free &= apart | (at[1] >= second + width + _GAP) | (at[1] + columns + _GAP <= second)
        if not free.any():
            found.append(None)
            continue
        best = np.unravel_index(int(np.argmin(np.where(free, distance, distance.max() + 1))), means.shape)
        found.append((int(best[0]), int(best[1]), rows, columns))
        taken.append((int(best[0]), int(best[1]), rows, columns))
    return found
