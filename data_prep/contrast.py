"""The signal of tissues in usual pulse sequences, from their proton density and relaxation times."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Tissue(NamedTuple):
    """A tissue at 1.5 T.

    Attributes:
        density: proton density relative to water [-].
        t1: longitudinal relaxation time [ms].
        t2: transverse relaxation time [ms].
    """

    density: float
    t1: float
    t2: float


class SpinEcho(NamedTuple):
    """A spin-echo sequence.

    Attributes:
        tr: repetition time [ms].
        te: echo time [ms].
        nulled: whether an inversion pulse comes before, at the time that makes the signal of fluid vanish.
    """

    tr: float
    te: float
    nulled: bool = False


class GradientEcho(NamedTuple):
    """A spoiled gradient-echo sequence.

    Attributes:
        tr: repetition time [ms].
        te: echo time [ms].
        flip: flip angle [degrees].
    """

    tr: float
    te: float
    flip: float


# Kwan, Evans & Pike, IEEE Trans. Med. Imaging 18:1085, 1999, Table I.
TISSUES: Mapping[str, Tissue] = MappingProxyType(
    {
        "fluid": Tissue(1.0, 2569.0, 329.0),
        "grey": Tissue(0.86, 833.0, 83.0),
        "white": Tissue(0.77, 500.0, 70.0),
        "fat": Tissue(1.0, 350.0, 70.0),
        "muscle": Tissue(1.0, 900.0, 47.0),
        "bone": Tissue(0.0, 1000.0, 50.0),
    }
)
SEQUENCES: Mapping[str, SpinEcho] = MappingProxyType(
    {
        "t1": SpinEcho(500.0, 14.0),
        "t2": SpinEcho(5000.0, 100.0),
        "pd": SpinEcho(3000.0, 20.0),
        "flair": SpinEcho(9000.0, 110.0, nulled=True),
    }
)


def signal(tissue: Tissue, sequence: SpinEcho | GradientEcho) -> float:
    """Compute the magnitude of the signal, relative to fully relaxed water.

    A spin echo has PD (1 - exp(-TR / T1)) exp(-TE / T2).  After an inversion the factor in the middle is
    |1 - 2 exp(-TI / T1) + exp(-TR / T1)|, and TI is the time at which it is 0 for fluid.  A spoiled gradient echo has
    PD sin(a) (1 - exp(-TR / T1)) / (1 - cos(a) exp(-TR / T1)) exp(-TE / T2) with the flip angle a (Ernst & Anderson,
    Rev. Sci. Instrum. 37:93, 1966).

    Args:
        tissue: the tissue.
        sequence: the sequence.
    """
    recovered = 1 - np.exp(-sequence.tr / tissue.t1)
    if isinstance(sequence, GradientEcho):
        angle = np.deg2rad(sequence.flip)
        recovered *= np.sin(angle) / (1 - np.cos(angle) * np.exp(-sequence.tr / tissue.t1))
    elif sequence.nulled:
        fluid = TISSUES["fluid"].t1
        inversion = fluid * np.log(2 / (1 + np.exp(-sequence.tr / fluid)))
        recovered = abs(1 - 2 * np.exp(-inversion / tissue.t1) + np.exp(-sequence.tr / tissue.t1))
    return float(tissue.density * recovered * np.exp(-sequence.te / tissue.t2))


def drawn_sequence(rng: np.random.RandomState) -> SpinEcho | GradientEcho:
    """Draw a sequence: a spin echo from T1- to T2-weighted, at times after an inversion, or a gradient echo."""
    kind = rng.uniform()
    if kind < 0.45:
        return SpinEcho(float(np.exp(rng.uniform(*np.log((300.0, 6000.0))))), rng.uniform(8.0, 120.0))
    if kind < 0.55:
        return SpinEcho(rng.uniform(6000.0, 11000.0), rng.uniform(80.0, 140.0), nulled=True)
    return GradientEcho(
        float(np.exp(rng.uniform(*np.log((5.0, 500.0))))), rng.uniform(2.0, 8.0), rng.uniform(3.0, 40.0)
    )


def varied_signals(rng: np.random.RandomState, sequence: SpinEcho | GradientEcho, spread: float) -> dict[str, float]:
    """Compute the signal of each tissue, whose density and times are drawn anew.

    Args:
        rng: random numbers.
        sequence: the sequence.
        spread: largest relative change of density and times [-].
    """
    tissues = {
        name: Tissue(*(value * rng.uniform(1 - spread, 1 + spread) for value in tissue))
        for name, tissue in TISSUES.items()
    }
    return {name: signal(tissue, sequence) for name, tissue in tissues.items()}
