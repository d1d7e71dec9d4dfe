"""Methods and shifts that bench.shift compares, by name, and the papers' findings about them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bench.findings.published import ANATOMY, DATASET, HARD_FOR_ALL
from jaxcs.catalogue import METHODS, OF_KSPACE, UNTRAINED

# The ICML 2021 paper says this about every natural shift that it studies.
_PARALLEL = "the points of all methods lie on a line parallel to y = x"


class Variant(NamedTuple):
    """A method as the study compares it.

    Attributes:
        method: the method.
        group: its family.
        settings: settings that differ from the method's defaults.
    """

    method: str
    group: str
    settings: tuple[tuple[str, str], ...] = ()


# Groups are those of the paper's Fig. 2; --weights gives its variants of trained networks (Tables 1 and 2).
VARIANTS: dict[str, Variant] = {
    # A third of the default's steps, as in bench.attack --method all: 0.5 dB less accurate.
    name: Variant(name, line.family, (("n_steps", "200"),) if name in UNTRAINED else ())
    for name, line in METHODS.items()
    if name in OF_KSPACE
} | {f"l1-{basis}": Variant("l1", METHODS["l1"].family, (("basis", basis),)) for basis in ("fourier", "dct")}
DEFAULT_VARIANTS = ("l1", "l1-fourier", "l1-dct", "tv", "unet", "varnet", "convdecoder")
# Method that selects the hard images by default; it is excluded from that comparison.
FILTER = "sense"


class Axis(NamedTuple):
    """A shift: how the test set differs from the one for which methods are trained and tuned.

    Attributes:
        words: the difference in words.
        changes: fields of `RunConfig` that change.
        other: whether the test set is the other data set.
        hard: whether the test set is the list of hard images.
        parts: for a shift that changes several things together, the axes of these.
        paper: the paper's finding, and the place in the paper.
    """

    words: str
    changes: Mapping[str, Any] = MappingProxyType({})
    other: bool = False
    hard: bool = False
    parts: tuple[str, ...] = ()
    paper: str = ""


def _shift(**sizes: float) -> Mapping[str, Any]:
    """Sizes of shifts, in the order in which the shifts happen."""
    return MappingProxyType({"shift": tuple(sizes.items())})


AXES: dict[str, Axis] = {
    "anatomy": Axis("another anatomy, all else alike", other=True, paper=f"{ANATOMY.where}: {_PARALLEL}"),
    "dataset": Axis(
        "another data set: scanner, sequence, coils, resolution and noise as they come",
        other=True,
        paper=f"{DATASET.where}, fastMRI and Stanford knees: {_PARALLEL}",
    ),
    "hard": Axis(
        "the images that a method which is not compared reconstructs worst",
        hard=True,
        paper=f"{HARD_FOR_ALL.where}, fastMRI-A: {_PARALLEL}, and {HARD_FOR_ALL.words}",
    ),
    "noise": Axis("four times the noise", _shift(noise=4.0)),
    "resolution": Axis("half the resolution in rows and columns, with as many central columns", _shift(resolution=0.5)),
    "contrast": Axis("another contrast, magnitudes squared", _shift(contrast=2.0)),
    "thickness": Axis("slices three times as thick", _shift(thickness=3.0)),
    "motion": Axis("motion of up to 2 pixels and degrees", _shift(motion=2.0)),
    "acceleration": Axis("8 times accelerated, the same centre", MappingProxyType({"acceleration": 8.0})),
    "mask": Axis("equispaced columns instead of random ones", MappingProxyType({"mask": "equispaced_fraction"})),
    # The paper's comparisons change these together.
    "anatomy-2021": Axis(
        "another anatomy and equispaced instead of random columns at once, as fastMRI's knees and brains have them",
        MappingProxyType({"mask": "equispaced_fraction"}),
        other=True,
        parts=("anatomy", "mask"),
        paper=f"{ANATOMY.where}: {_PARALLEL}; the kind of mask changed with the anatomy",
    ),
    "dataset-2021": Axis(
        "contrast, resolution and noise at once, as between fastMRI and Stanford, on one data set",
        _shift(contrast=2.0, resolution=0.5, noise=4.0),
        parts=("contrast", "resolution", "noise"),
        paper=f"{DATASET.where}: {_PARALLEL}, once k-space has the resolution of the training data",
    ),
}
# Axes that work with the phantom alone, and axes that work with user data.
PHANTOM_AXES = tuple(name for name in AXES if name not in ("dataset", "thickness"))
DATA_AXES = ("noise", "resolution", "contrast", "motion", "acceleration", "mask")
