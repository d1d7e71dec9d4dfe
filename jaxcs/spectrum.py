"""The distribution of a scan's energy in k-space, by which Darestani et al. tell hard images from the others.

In Figure 14 of Darestani, Chaudhari and Heckel, ICML 2021, the images that a method reconstructs worst have a smaller
share of their energy at low frequencies.  Energies are sums of |k|^2 over all coils, relative to the whole k-space.  So
neither the scanner's units nor the number of coils matter.  The functions run on the host in float64: a sample at the
centre has a million times the energy of a sample at the edge, which a long sum in single precision would lose.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

# A crossing counts only if this share of the frequencies agrees with it.
_CLEAR = 0.75


class Crossing(NamedTuple):
    """The frequency at which one curve stops being below another curve and is above it from then on, or the reverse.

    Attributes:
        frequency: the first frequency beyond the crossing [index].
        below_first: whether the first curve is the lower curve before the crossing.
        agreement: share of all frequencies at which the curves lie as the crossing says [-].
    """

    frequency: int
    below_first: bool
    agreement: float


def centre_energy(kspace: Complex[np.ndarray, "*coils ny nx"], columns: int) -> float:
    """Compute the share of the energy in the central `columns`, which fastMRI's masks sample fully (ACS).

    The share is the sum of |k|^2 over coils, rows and these columns, divided by the sum over all columns.  The first
    central column is (nx - columns + 1) // 2, as in `jaxcs.masks`.

    Args:
        kspace: (..., ny, nx) centred k-space in any units, with the zero frequency at n // 2.
        columns: number of central columns.

    Returns:
        The share [-].

    Raises:
        ValueError: If the k-space has fewer columns, is 0 or is not finite.
    """
    energy = _shares("centre_energy", kspace).sum(axis=0)
    nx = energy.size
    if not 1 <= columns <= nx:
        raise ValueError(f"centre_energy: {columns} columns of a k-space of {nx}")
    first = (nx - columns + 1) // 2
    return float(energy[first : first + columns].sum())


def column_profile(kspace: Complex[np.ndarray, "*coils ny nx"]) -> Float[np.ndarray, "frequency"]:
    """Compute the energy against frequency along the vertical line through the centre of k-space.

    Entry f is the energy of one sample at f cycles per field of view: the sum over coils of |k|^2 in column nx // 2,
    averaged over the rows ny // 2 + f and ny // 2 - f.  It is divided by the energy of the whole k-space.  An even ny
    has its highest frequency, ny / 2, on one side only.

    Args:
        kspace: (..., ny, nx) centred k-space in any units.

    Returns:
        (ny // 2 + 1,) float64 energies [-].

    Raises:
        ValueError: If the k-space is 0 or not finite.
    """
    energy = _shares("column_profile", kspace)
    ny, nx = energy.shape
    line, centre = energy[:, nx // 2], ny // 2
    down, up = line[centre::-1], line[centre:]
    profile = down.copy()
    profile[: up.size] = (down[: up.size] + up) / 2
    return profile


def crossing(one: Float[np.ndarray, "frequency"], other: Float[np.ndarray, "frequency"]) -> Crossing | None:
    """Find the frequency at which two profiles cross.

    Means over few images fluctuate about each other, so they meet often.  The crossing is the split of the axis with
    which most frequencies agree: one curve is lower on all of one side and higher on all of the other side.  If several
    splits are equally good, the lowest split is taken.  At least three quarters of the frequencies must agree, because
    the best split of 100 coin tosses already agrees with some 60.

    Args:
        one: (frequency,) first profile.
        other: (frequency,) second profile.

    Returns:
        The crossing.  None if a single order of the curves agrees with at least as many frequencies, or if fewer than
        three quarters agree.

    Raises:
        ValueError: If the profiles differ in length.
    """
    if one.shape != other.shape:
        raise ValueError(f"crossing: profiles of {one.shape} and {other.shape} frequencies")
    lower, higher = one < other, one > other
    best: Crossing | None = None
    most = max(lower.sum(), higher.sum())
    for below_first, first, second in ((True, lower, higher), (False, higher, lower)):
        # Entry i: the number of frequencies that agree if the second side begins at frequency i + 1.
        agree = np.cumsum(first)[:-1] + np.cumsum(second[::-1])[-2::-1]
        if agree.size and agree.max() > most and agree.max() >= _CLEAR * one.size:
            most = agree.max()
            best = Crossing(int(agree.argmax()) + 1, below_first, float(most / one.size))
    return best


def _shares(name: str, kspace: Complex[np.ndarray, "*coils ny nx"]) -> Float[np.ndarray, "ny nx"]:
    """The energy of each sample, summed over coils, relative to the energy of all samples."""
    if kspace.ndim < 2:
        raise ValueError(f"{name}: needs k-space (coil, ny, nx), got {kspace.shape}")
    power = np.zeros(kspace.shape[-2:])
    for coil in kspace.reshape(-1, *kspace.shape[-2:]):
        # Take the magnitude first: squares of raw units of 1e-25 would vanish in single precision.
        power += np.abs(coil).astype(np.float64) ** 2
    total = power.sum()
    if not (np.isfinite(total) and total > 0):
        raise ValueError(f"{name}: the k-space is 0 or not finite, and has no shares of energy")
    return power / total
