"""All settings of a study as one frozen value."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from typing import Any

from bench.plan.config import RunConfig, fingerprint_of, unattacked
from bench.plan.errors import UsageError
from jaxcs.features.insert import PRESETS, Insertion

# A visible feature is at least so many times above the noise of single pixels [-].
_VISIBILITY = 3.0
# Default number of images in studies of several images.
_IMAGES = 10
# Strides of the map [pixels]; the coarse one is for methods that are fitted at each place.
_COARSE, _STRIDE = 16, 4


@dataclass(frozen=True)
class FeatureConfig:
    """All settings that decide the numbers of a study.

    Attributes:
        study: one of bench.features' STUDIES.
        base: methods, data, sampling and seed, as for bench.attack.
        insertion: the feature.
        stride: distance of the heat map's places [pixels].
        image: index of the image of the map and of the search.
        sizes: sizes for the study of sizes [pixels].
        placements: number of places for each image and size.
        draws: number of noise draws for detectability; 0 leaves detectability out.
        visibility: smallest mean of a feature in the search, in standard deviations of a pixel's noise [-].
    """

    study: str
    base: RunConfig
    insertion: Insertion
    stride: int
    image: int
    sizes: tuple[float, ...]
    placements: int
    draws: int
    visibility: float

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold."""
        return asdict(self) | {"base": self.base.to_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FeatureConfig:
        """Read a configuration that `to_dict` wrote.

        Raises:
            TypeError: the fields are not those of a configuration.
            KeyError: fields are missing.
        """
        base, insertion = RunConfig.from_dict(content["base"]), Insertion(**content["insertion"])
        return cls(**content | {"base": base, "insertion": insertion, "sizes": tuple(content["sizes"])})

    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that change with any field."""
        return fingerprint_of(self.to_dict())


def configuration(arguments: Namespace) -> FeatureConfig:
    """Build the configuration from the arguments.

    Raises:
        UsageError: the arguments contradict each other.
    """
    study, names = arguments.study, list(dict.fromkeys(arguments.method or _methods(arguments.study)))
    if study == "optimisers" and names != ["convdecoder"]:
        raise UsageError("--method: the study of optimisers is that of convdecoder; leave the flag out")
    if arguments.data is None and study == "boxes":
        raise UsageError("--study boxes: the phantom has no boxes; name files with --data")
    one_image = study in ("map", "worst", "optimisers")
    if one_image and arguments.limit is not None:
        raise UsageError(f"--limit: --study {study} is of one image; choose it by --image")
    limit = arguments.image + 1 if one_image else arguments.limit or (None if study == "boxes" else _IMAGES)
    base = unattacked(
        arguments,
        method=names[0],
        settings=tuple(arguments.set),
        victims=tuple(names[1:]),
        weights=arguments.weights,
        limit=limit,
        seed=arguments.seed,
    )
    given = {"shape": arguments.shape, "size": arguments.size, "contrast": arguments.contrast}
    given |= {"reference": arguments.relative_to}
    start = PRESETS[arguments.preset] if arguments.preset else Insertion()
    return FeatureConfig(
        study=study,
        base=base,
        insertion=replace(start, **{name: value for name, value in given.items() if value is not None}),
        stride=arguments.stride or (_COARSE if study == "optimisers" else _STRIDE),
        image=arguments.image,
        sizes=tuple(arguments.sizes),
        placements=arguments.placements,
        # Each draw needs a fit for each optimiser.
        draws=arguments.draws if arguments.draws is not None else 0 if study == "optimisers" else 16,
        visibility=arguments.visibility if arguments.visibility is not None else _VISIBILITY,
    )


def _methods(study: str) -> list[str]:
    return ["convdecoder"] if study == "optimisers" else ["l1"]
