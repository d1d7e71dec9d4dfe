"""Result of an attack on one slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Scores(NamedTuple):
    """A metric: of the clean image, and by epsilon under noise of equal size and under attack.

    clean: a number.  noise, attacked: (epsilon,).
    """

    clean: float
    noise: np.ndarray
    attacked: np.ndarray


class AttackReport(NamedTuple):
    """An attack on one slice.  Axes: epsilon in the order of `eps`; images (ty, tx) in the units of the k-space.

    method, attack, threat: names of what was attacked, by what, within which set.
    eps: sizes that were allowed, ascending.
    clean: (ty, tx) the image of the unperturbed data.
    attacked: (epsilon, ty, tx) the image under the perturbation.
    noisy: (epsilon, ty, tx) the image under random noise of the same size, the control.
    truth: (ty, tx) what the image should be, None if that is not known; scores then are against `clean`.
    perturbation, noise: (epsilon, coil, ny, nx) complex64, to be added to the k-space, for the threats "measured",
        "kspace" and "per_coil"; for others (epsilon, ...) as `jaxcs.threats` has it: (ny, nx) of an image in the units
        of the k-space, of "whitened" data in those units, of a change its parameters in their own.
    norm: (epsilon,) sizes that were used, measured in the units of epsilon.
    norm_kspace: (epsilon,) norm of the change of the measured k-space, relative to its norm.
    loss: (epsilon,) what the attack drove up.  trace: (epsilon, evaluation) at each point that it looked at.
    scores: by metric (a name in `jaxcs.METRICS`).
    flags: for each epsilon the names of what speaks against the result, see `jaxcs.evidence.FLAGS`.
    """

    method: str
    attack: str
    threat: str
    eps: tuple[float, ...]
    clean: np.ndarray
    attacked: np.ndarray
    noisy: np.ndarray
    truth: np.ndarray | None
    perturbation: np.ndarray
    noise: np.ndarray
    norm: np.ndarray
    norm_kspace: np.ndarray
    loss: np.ndarray
    trace: np.ndarray
    scores: Mapping[str, Scores]
    flags: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        """A table of PSNR and SSIM by epsilon."""
        against = "the truth" if self.truth is not None else "the clean image"
        lines = [f"{self.method} under {self.attack}, threat {self.threat}; PSNR [dB] and SSIM against {against}"]
        lines.append(f"{'epsilon':>8} {'clean':>15} {'noise':>15} {'attacked':>15}  flags")
        psnr, ssim = self.scores["psnr"], self.scores["ssim"]
        for index, eps in enumerate(self.eps):
            cells = [(psnr.clean, ssim.clean)]
            cells += [(getattr(psnr, state)[index], getattr(ssim, state)[index]) for state in ("noise", "attacked")]
            shown = " ".join(f"{f'{first:.2f} / {second:.3f}':>15}" for first, second in cells)
            lines.append(f"{eps:>8g} {shown}  {', '.join(self.flags[index]) or '-'}")
        return "\n".join(lines)
