"""All settings of a study of stability as one frozen value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.plan.config import Configuration

# Fields that a record has only if they are given.
_IF_GIVEN = ("acquisition", "comparator", "like", "residual", "shift", "sweep")


@dataclass(frozen=True)
class StabilityConfig(Configuration):
    """All settings that decide the numbers of a study.

    Attributes:
        studies: names of `worlds.STUDIES`.
        methods: names of `worlds.WORLDS`.
        weights: (method, file or name) of the weights that are not the shipped ones.
        constants: "published" for the paper's constants of the attack if there are any; "auto" for constants that
            follow from the method's largest singular value.
        steps: number of steps of the attack, None for that of the constants.
        comparator: the method of sparsity that each tested method is compared with, None for that of its world.
        data: path of fastMRI files, or None for the phantom.
        phantom: family of the phantom.
        acquisition: acquisitions of the files that are used, see `data_prep.acquisition.is_of`; all if empty.
        shift: (name, size) of each shift of the scans, in the order in which they happen; `data_prep.shifts` has the
            names.
        limit: number of images.
        seed: seed of starting points and noise.
        sweep: whether the constants of the attack are varied.
        residual: a name of `worlds.RESIDUALS`; None for magnitudes.
        like: a name of `worlds.PROTOCOLS` whose constants are taken, or None.
    """

    studies: tuple[str, ...]
    methods: tuple[str, ...]
    weights: tuple[tuple[str, str], ...] = ()
    constants: str = "published"
    steps: int | None = None
    data: str | None = None
    phantom: str = "knee"
    limit: int | None = None
    seed: int = 0
    acquisition: tuple[str, ...] = ()
    sweep: bool = False
    comparator: str | None = None
    shift: tuple[tuple[str, float], ...] = ()
    like: str | None = None
    residual: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold."""
        content = asdict(self) | {"weights": dict(self.weights), "shift": dict(self.shift)}
        return {name: value for name, value in content.items() if value or name not in _IF_GIVEN}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> StabilityConfig:
        """Read a configuration that `to_dict` wrote.

        Raises:
            TypeError: the fields are not those of a configuration.
            KeyError: fields are missing.
        """
        lists = {name: tuple(content[name]) for name in ("studies", "methods")}
        lists["acquisition"] = tuple(content.get("acquisition", ()))
        pairs = {"weights": tuple(content["weights"].items()), "shift": tuple(content.get("shift", {}).items())}
        return cls(**content | lists | pairs)
