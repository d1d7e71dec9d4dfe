"""Methods and shifts by name: what bench.shift compares, and what of it the papers found."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from bench.findings.published import ANATOMY, DATASET, HARD_FOR_ALL

# What the ICML 2021 paper says of every natural shift that it looks at.
_PARALLEL = "the points of all methods lie on a line parallel to y = x"


class Variant(NamedTuple):
    """A method as it is compared.

    group: the family that it is one of.  settings: of the method, where they are not its defaults.
    """

    method: str
    group: str
    settings: tuple[tuple[str, str], ...] = ()


# Groups are those of the paper's Fig. 2; its variants of trained networks (Tables 1 and 2) come by --weights.
VARIANTS: dict[str, Variant] = {
    "zero_filled": Variant("zero_filled", "linear"),
    "sense": Variant("sense", "linear"),
    "l1": Variant("l1", "sparsity"),
    "l1-fourier": Variant("l1", "sparsity", (("basis", "fourier"),)),
    "l1-dct": Variant("l1", "sparsity", (("basis", "dct"),)),
    "tv": Variant("tv", "sparsity"),
    "unet": Variant("unet", "unet"),
    "varnet": Variant("varnet", "varnet"),
    "irim": Variant("irim", "irim"),
    "unet_complex": Variant("unet_complex", "unet"),
    "ttt_unet": Variant("ttt_unet", "test-time training"),
    "ttt_varnet": Variant("ttt_varnet", "test-time training"),
    # As in --method all of bench.attack: a third of the default's steps, 0.5 dB less accurate.
    "convdecoder": Variant("convdecoder", "un-trained", (("n_steps", "200"),)),
    "deepdecoder": Variant("deepdecoder", "un-trained", (("n_steps", "200"),)),
    "dip": Variant("dip", "un-trained", (("n_steps", "200"),)),
}
DEFAULT_VARIANTS = ("l1", "l1-fourier", "l1-dct", "tv", "unet", "varnet", "convdecoder")
# Whose scores choose the hard images where no list is given; it is never compared on them.
FILTER = "sense"


class Axis(NamedTuple):
    """A shift: what the test set differs by from the one that methods are trained and tuned for.

    words: what differs.  changes: fields of `RunConfig` that do.
    other: whether it is the other data set that is tested on.  hard: whether it is the list of hard images.
    parts: the axes that change together here, of a shift that cannot be told apart.
    paper: what the paper found, and where.
    """

    words: str
    changes: Mapping[str, Any] = MappingProxyType({})
    other: bool = False
    hard: bool = False
    parts: tuple[str, ...] = ()
    paper: str = ""


def _shift(**sizes: float) -> Mapping[str, Any]:
    """Sizes in the order in which shifts happen."""
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
    # What the paper's comparisons change together.
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
# What can be done with the phantom alone, and with one's own data.
PHANTOM_AXES = tuple(name for name in AXES if name not in ("dataset", "thickness"))
DATA_AXES = ("noise", "resolution", "contrast", "motion", "acceleration", "mask")
