"""All settings of a study as one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.plan.config import Configuration, RunConfig
from jaxcs.features.insert import Insertion


@dataclass(frozen=True)
class FeatureConfig(Configuration):
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
