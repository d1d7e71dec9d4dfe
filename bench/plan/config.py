"""All settings of a run as one frozen value: run.json stores it, and the run's name has its hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from bench.plan.catalogue import default_eps

# In place of the name of a mask: the file's own is used.
OF_THE_FILE = "of the file"


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


@dataclass(frozen=True)
class RunConfig:
    """All settings that decide the numbers of a run.

    method, preset, settings: the reconstruction, its named configuration and what is changed in it; or "all" or
        "basis", several methods, whose settings are then named METHOD.NAME.
    victims: methods that are also scored under every perturbation found, by name; empty: each under its own.
    weights: file or name of a trained method's parameters, None for the shipped ones that suit the data.
    attack, attack_preset, steps, step_size, restarts: the attack, or "default", the one that suits the method;
        step_size in units of the radius; None: its own.
    like: the published protocol that the other fields follow where not given, or None.
    method_seed: of an un-trained method: "known" to the attack, or "fresh" where it is scored.
    threat: "noise" added to the data, or a change named in `jaxcs.threats.changes`.
    eps: sizes relative to what `norm` names, or in the units of the change, ascending; of none given
        those of `default_eps`.
    norm: of noise: "measured", "kspace", "per_coil", "whitened" or "image", see `jaxcs.threats.balls`; if
        not given "measured", or of the attack momentum "image".
    target: "truth" or "clean": from what the attack drives the image away.
    loss: the error that the attack drives up, named in `jaxcs.attacks.losses`.
    region: (first row, first column, rows, columns) of the target that is scored, None for all of it.
    aim: "image" or "region": what the attack looks at; if not given the region, or without one the image.
    maps: "fixed" at those of the clean data, or "reestimated" from the perturbed data inside the attack.
    check: whether more evidence is gathered than the attack itself gives.
    data: path of fastMRI files, or None for the phantom of `phantom`.
    only: a list of cases, of which alone the data are used, or None for all.
    shift: (name, size) of each shift of the scans, named in `data_prep.shifts`, in the order they happen.
    mask, acceleration, center_fraction: the sampling, where the files are fully sampled; "of the file", None and None
        where each has a mask of its own.
    limit: number of slices.  seed: of starts and noise.
    """

    method: str = "l1"
    preset: str | None = None
    settings: tuple[tuple[str, str], ...] = ()
    victims: tuple[str, ...] = ()
    weights: str | None = None
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
    region: tuple[int, int, int, int] | None = None
    aim: str = ""
    maps: str = "fixed"
    check: bool = False
    data: str | None = None
    phantom: str = "knee"
    only: str | None = None
    shift: tuple[tuple[str, float], ...] = ()
    mask: str = "random"
    acceleration: float | None = 4.0
    center_fraction: float | None = 0.08
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        dependent = {
            "eps": default_eps(self.method, self.threat),
            "norm": "image" if self.attack == "momentum" else "measured",
            "aim": "image" if self.region is None else "region",
        }
        for name, value in dependent.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def sampling(self) -> Sampling:
        """The under-sampling of the data."""
        return Sampling(self.mask, self.acceleration, self.center_fraction)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold."""
        return asdict(self) | {"settings": dict(self.settings), "shift": dict(self.shift)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> RunConfig:
        """Read a configuration that `to_dict` wrote.

        Raises:
            TypeError: the fields are not those of a configuration.
            KeyError: settings or shifts are missing.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
        }
        return cls(**values | {name: tuple(content[name].items()) for name in ("settings", "shift")})

    def fingerprint(self) -> str:
        """Return eight hexadecimal digits that change with any field."""
        return fingerprint_of(self.to_dict())


def fingerprint_of(content: dict[str, Any]) -> str:
    """Return eight hexadecimal digits that change with any value of a configuration."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]
