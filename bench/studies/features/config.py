"""The whole of a study as one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.plan.config import RunConfig, fingerprint_of
from jaxcs.features.insert import Insertion


@dataclass(frozen=True)
class FeatureConfig:
    """Everything that decides the numbers of a study.

    study: one of bench.features' STUDIES.  base: methods, data, sampling and seed, as bench.attack has them.
    insertion: the feature.  stride: of the heat map's places [pixels].  image: of the map and the search, its index.
    sizes, placements: sizes [pixels] of the study of sizes, and places for each image and size.
    draws: of noise, for detectability; 0: that is not scored.
    visibility: the mean of what the search may choose, in standard deviations of a pixel's noise.
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
        """The configuration as JSON can hold it."""
        return asdict(self) | {"base": self.base.to_dict()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> FeatureConfig:
        """The configuration of which `to_dict` made this, read again.  Raises TypeError or KeyError for any other."""
        base, insertion = RunConfig.from_dict(content["base"]), Insertion(**content["insertion"])
        return cls(**content | {"base": base, "insertion": insertion, "sizes": tuple(content["sizes"])})

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change with any field."""
        return fingerprint_of(self.to_dict())
