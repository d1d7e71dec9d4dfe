"""The whole of a run as one frozen value: what is written to run.json and hashed into the run's name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides the numbers of a run.

    method, preset, settings: the reconstruction, its named configuration and what is changed in it.
    weights: file or name of a trained method's parameters, None for the shipped ones that suit the data.
    attack, steps, step_size, restarts: the attack; step_size in units of the radius.
    attack_preset: "bounded" or "published", of the attack two_step.
    method_seed: of an un-trained method: "known" to the attack, or "fresh" where it is scored.
    eps: radii relative to what `norm` names, ascending.
    norm: "measured", "kspace", "per_coil" or "image", see `jaxcs.attacks.threat`.
    target: "truth" or "clean": from what the attack drives the image away.
    maps: "fixed" at those of the clean data, or "reestimated" from the perturbed data inside the attack.
    data: path of fastMRI files, or None for the phantom of `phantom`.
    mask, acceleration, center_fraction: the sampling, where the files are fully sampled.
    limit: number of slices.  seed: of starts and noise.
    """

    method: str
    preset: str | None
    settings: tuple[tuple[str, str], ...]
    weights: str | None
    attack: str
    attack_preset: str
    method_seed: str
    steps: int
    step_size: float
    restarts: int
    eps: tuple[float, ...]
    norm: str
    target: str
    maps: str
    data: str | None
    phantom: str
    mask: str
    acceleration: float
    center_fraction: float
    limit: int | None
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return asdict(self) | {"settings": dict(self.settings)}

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change with any field."""
        text = json.dumps(self.to_dict(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]
