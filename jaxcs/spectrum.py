"""Where the energy of a scan lies in k-space: the statistics by which Darestani et al. tell hard images from others.

Figure 14 of Darestani, Chaudhari and Heckel, ICML 2021: images that a method reconstructs worst have a smaller share of
their energy at low frequencies.  Energies are sums of |k|^2 over all coils, relative to that of the whole k-space, so
that neither the scanner's units nor the number of coils matter.  Computed on the host, in float64: a sample at the
centre has a million times the energy of one at the edge, and in single precision a long sum would lose the latter.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

# The share of frequencies that have to agree with a crossing.
_CLEAR = 0.75


class Crossing(NamedTuple):
    """Where one curve stops being below another and begins to be above it, or the other way round.

    frequency: the first one beyond [index].  below_first: whether the first curve is the lower one before it.
    agreement: the share of all frequencies at which the curves lie as this says [-].
    """

    frequency: int
    below_first: bool
    agreement: float


def centre_energy(kspace: Complex[np.ndarray, "*coils ny nx"], columns: int) -> float:
    """The share of the energy that lies in the central `columns` [-], those that fastMRI's masks sample fully (ACS).

    sum over coils, rows and these columns of |k|^2, divided by that over all columns.  kspace: centred, the zero
    frequency at n // 2, in any units.  The first of the columns is (nx - columns + 1) // 2, as in `jaxcs.masks`.
    Raises ValueError where there are not so many columns, or the k-space is 0 or not finite.
    """
    energy = _shares("centre_energy", kspace).sum(axis=0)
    nx = energy.size
    if not 1 <= columns <= nx:
        raise ValueError(f"centre_energy: {columns} columns of a k-space of {nx}")
    first = (nx - columns + 1) // 2
    return float(energy[first : first + columns].sum())


def column_profile(kspace: Complex[np.ndarray, "*coils ny nx"]) -> Float[np.ndarray, "frequency"]:
    """Energy against frequency along the vertical line through the centre of k-space, (ny // 2 + 1,) float64 [-].

    Entry f is the energy of one sample at f cycles per field of view: sum over coils of |k|^2 in column nx // 2,
    the mean of the rows ny // 2 + f and ny // 2 - f, divided by the energy of the whole k-space.  An even ny has its
    highest frequency, ny / 2, on one side only.  kspace: as for `centre_energy`.
    Raises ValueError where the k-space is 0 or not finite.
    """
    energy = _shares("column_profile", kspace)
    ny, nx = energy.shape
    line, centre = energy[:, nx // 2], ny // 2
    down, up = line[centre::-1], line[centre:]
    profile = down.copy()
    profile[: up.size] = (down[: up.size] + up) / 2
    return profile


def crossing(one: Float[np.ndarray, "frequency"], other: Float[np.ndarray, "frequency"]) -> Crossing | None:
    """The frequency at which two profiles cross, None where no frequency parts them.

    Means over few images wriggle about each other, so that they meet often.  The crossing is the split of the axis
    with which most frequencies agree, one curve lower on all of one side and higher on all of the other; the lowest
    such split, where several are as good.  There is none where as many agree without a split, or fewer than three
    quarters with it: the best split of 100 coin tosses already agrees with some 60.
    Raises ValueError where the profiles differ in length.
    """
    if one.shape != other.shape:
        raise ValueError(f"crossing: profiles of {one.shape} and {other.shape} frequencies")
    lower, higher = one < other, one > other
    best: Crossing | None = None
    most = max(lower.sum(), higher.sum())
    for below_first, first, second in ((True, lower, higher), (False, higher, lower)):
        # Entry i: how many agree where the second side begins at frequency i + 1.
        agree = np.cumsum(first)[:-1] + np.cumsum(second[::-1])[-2::-1]
        if agree.size and agree.max() > most and agree.max() >= _CLEAR * one.size:
            most = agree.max()
            best = Crossing(int(agree.argmax()) + 1, below_first, float(most / one.size))
    return best


def _shares(name: str, kspace: Complex[np.ndarray, "*coils ny nx"]) -> Float[np.ndarray, "ny nx"]:
    """The energy of each sample, all coils together, relative to that of all."""
    if kspace.ndim < 2:
        raise ValueError(f"{name}: needs k-space (coil, ny, nx), got {kspace.shape}")
    power = np.zeros(kspace.shape[-2:])
    for coil in kspace.reshape(-1, *kspace.shape[-2:]):
        # Through the magnitude: squares of raw units of 1e-25 would vanish in single precision.
        power += np.abs(coil).astype(np.float64) ** 2
    total = power.sum()
    if not (np.isfinite(total) and total > 0):
        raise ValueError(f"{name}: the k-space is 0 or not finite, and has no shares of energy")
    return power / total
