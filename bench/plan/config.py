"""All settings of a run as one frozen value: run.json stores it, and the run's name has its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, Protocol

from bench.plan.like import LIKE
from bench.plan.several import SEVERAL
from jaxcs.catalogue import CHANGES, CT_PHANTOMS, KSPACE, LOSSES, MASKS, METHODS, NORMS, PHANTOMS, MethodLine
from jaxcs.names import check_name

# Stands for the name of a mask if the file's mask is used.
OF_THE_FILE = "of the file"
# Stands for a region if the boxes that were drawn in each slice are scored.
BOXES = "boxes"
# Stands for boxes of the same sizes beside them, as a control.
BESIDE = "beside"


class Sampling(NamedTuple):
    """The under-sampling of k-space; both numbers are None if the files have masks.

    Attributes:
        mask: kind of the mask.
        acceleration: acceleration factor [-].
        center_fraction: share of columns in the fully sampled centre [-].
    """

    mask: str
    acceleration: float | None
    center_fraction: float | None


class Configuration(Protocol):
    """All settings that decide the numbers of a run or a study."""

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold."""
        ...

    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that change with any field."""
        return fingerprint_of(self.to_dict())


# Sizes if several methods are run.
_OF_SEVERAL = (0.02, 0.05)
# Fields whose value is one of a few names.
_NAMES: dict[str, tuple[str, ...]] = {
    "like": tuple(LIKE), "method_seed": ("known", "fresh"), "threat": ("noise", *CHANGES), "norm": tuple(NORMS),
    "target": ("truth", "clean"), "loss": tuple(LOSSES), "aim": ("image", "region"), "maps": ("fixed", "reestimated"),
    "phantom": (*PHANTOMS, *CT_PHANTOMS), "mask": (*MASKS, OF_THE_FILE),
}  # fmt: skip
# Fields that a record has only if they are given, so that a run without them has the fingerprint of older versions.
IF_GIVEN = ("beside", "networks", "acquisition", "views", "stealth")


def are_sinograms(config: Mapping[str, Any]) -> bool:
    """Return whether the data of a configuration, as a record has it, are sinograms."""
    takes = METHODS.get(config["method"], MethodLine("")).takes
    drawn = config.get("data") is None and config.get("phantom") in CT_PHANTOMS
    return KSPACE not in takes or config.get("views") is not None or drawn


def default_eps(methods: tuple[str, ...], threat: str) -> tuple[float, ...]:
    """Return the sizes of the perturbation if none are given, ascending.

    Args:
        methods: the methods that are attacked: names, "all", "basis", MODULE:NAME or FILE.py:NAME.
        threat: "noise", or a change of the scan.
    """
    if threat in CHANGES:
        return CHANGES[threat].eps
    return _OF_SEVERAL if methods[1:] or methods == ("all",) else METHODS.get(methods[0], MethodLine("")).eps


@dataclass(frozen=True)
class RunConfig(Configuration):
    """All settings that decide the numbers of a run.

    Attributes:
        method: the reconstruction; or "all" or "basis" for several methods.
        beside: further methods that are attacked.
        preset: named configuration of the method.
        settings: changed settings of the method; named METHOD.NAME if there are several methods.
        victims: methods that are scored under every perturbation as well; if empty, each method only under its own.
        weights: file or name of a trained method's parameters, None for the shipped ones that suit the data.
        networks: (name, file or name of the parameters) of trained methods that are told apart by their names.
        attack: the attack, or "default" for the one that suits the method.
        attack_preset: named configuration of the attack.
        steps: number of attack steps, None for the attack's default.
        step_size: step size in units of the radius [-], None for the attack's default.
        restarts: number of restarts, None for the attack's default.
        like: published protocol that decides fields which are not given, or None.
        method_seed: seed of an un-trained method or a sampler: "known" to the attack, or "fresh" for scoring.
        threat: "noise" added to the data, or a change named in `jaxcs.threats.changes`.
        eps: sizes of the perturbation, ascending: relative to the quantity that `norm` names [-], or in units of the
            change; if empty, those of `default_eps`.
        norm: norm of noise: "measured", "kspace", "per_coil", "whitened" or "image", see `jaxcs.threats.balls`; if
            empty "measured", or "image" for the attack momentum.
        target: "truth" or "clean": what the attack drives the image away from.
        loss: the error that the attack maximises, named in `jaxcs.attacks.losses`.
        stealth: the most SSIM of the whole image that the attack may cost [-], None for any.
        region: (first row, first column, rows, columns) of the target that is scored, "boxes" for the boxes that were
            drawn in each slice, "beside" for boxes of the same sizes beside them, None for all.
        aim: "image" or "region": the part of the image that the attack maximises the error of; if empty, the
            region if there is one.
        maps: "fixed" at the maps of the clean data, or "reestimated" from the perturbed data in the attack.
        check: whether the run gathers more evidence than the attack needs.
        data: path of fastMRI files, or None for the phantom.
        phantom: family of the phantom.
        acquisition: acquisitions of the files that are used, see `data_prep.acquisition.is_of`; all if empty.
        views: number of views of a sinogram, None for the usual number or for k-space.
        only: list of the cases that are used, or None for all.
        shift: (name, size) of each shift of the scans, in the order in which they happen; `data_prep.shifts` has the
            names.
        mask: kind of the mask, "of the file" if each file has a mask; if empty, that of the method's line in the
            catalogue.
        acceleration: acceleration factor [-], None if each file has a mask; if 0, that of the method's line.
        center_fraction: share of columns in the fully sampled centre [-], None if each file has a mask; if 0, that of
            the method's line.
        limit: number of slices, None for all.
        seed: seed of starting points and noise.
    """

    method: str = "l1"
    beside: tuple[str, ...] = ()
    preset: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    victims: tuple[str, ...] = ()
    weights: str | None = None
    networks: tuple[tuple[str, str], ...] = ()
    attack: str = "default"
    attack_preset: str | None = None
    steps: int | None = None
    step_size: float | None = None
    restarts: int | None = None
    like: str | None = None
    method_seed: str = "known"
    threat: str = "noise"
    eps: tuple[float, ...] = ()
    norm: str = ""
    target: str = "truth"
    loss: str = "nmse"
    stealth: float | None = None
    region: tuple[int, int, int, int] | str | None = None
    aim: str = ""
    maps: str = "fixed"
    check: bool = False
    data: str | None = None
    phantom: str = "knee"
    acquisition: tuple[str, ...] = ()
    views: int | None = None
    only: str | None = None
    shift: tuple[tuple[str, float], ...] = ()
    mask: str = ""
    acceleration: float | None = 0.0
    center_fraction: float | None = 0.0
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        dependent = {
            "eps": default_eps(self.attacked, self.threat),
            "norm": "image" if self.attack == "momentum" else "measured",
            "aim": "image" if self.region is None else "region",
        }
        for name, value in dependent.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)
        usual = METHODS.get(self.method, MethodLine("")).sampling
        for name, one in zip(Sampling._fields, usual, strict=True):
            if getattr(self, name) in ("", 0.0):
                object.__setattr__(self, name, one)

    @property
    def attacked(self) -> tuple[str, ...]:
        """The names of the methods that are attacked."""
        return (self.method, *self.beside)

    @property
    def several(self) -> bool:
        """Whether several methods are attacked or scored; two networks of one method are one method."""
        return bool(self.beside or self.victims) or self.method in SEVERAL

    @property
    def sinograms(self) -> bool:
        """Whether the data are sinograms: by the method, the phantom, or the number of views."""
        return are_sinograms(asdict(self))

    @property
    def sampling(self) -> Sampling:
        """The under-sampling of the data."""
        return Sampling(self.mask, self.acceleration, self.center_fraction)

    def unsearched(self) -> RunConfig:
        """Return the configuration without the settings of its search."""
        return replace(self, attack="noise", attack_preset=None, steps=None, step_size=None, restarts=None, check=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold."""
        content = asdict(self) | {"settings": dict(self.settings), "shift": dict(self.shift)}
        return {name: value for name, value in content.items() if value or name not in IF_GIVEN}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunConfig:
        """Read a configuration that `to_dict` wrote.

        Raises:
            TypeError: the fields are not those of a configuration.
            KeyError: settings or shifts are missing.
            ValueError: a name is unknown, as in a record of a newer version or an edited one.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        pairs: dict[str, Any] = {name: tuple(content[name].items()) for name in ("settings", "shift")}
        pairs["networks"] = tuple(tuple(pair) for pair in content.get("networks", ()))
        made = cls(**values | pairs)
        for field, names in _NAMES.items():
            if getattr(made, field) is not None:
                check_name(field, getattr(made, field), names)
        return made


def fingerprint_of(content: dict[str, Any]) -> str:
    """Return eight hexadecimal digits that change with any value of a configuration."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
