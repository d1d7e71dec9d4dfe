"""Result of an attack on one slice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Scores(NamedTuple):
    """Scores by one metric.

    Attributes:
        clean: score of the clean image.
        noise: (epsilon,) scores under noise of equal size.
        attacked: (epsilon,) scores under attack.
    """

    clean: float
    noise: np.ndarray
    attacked: np.ndarray


class AttackReport(NamedTuple):
    """The results of an attack on one slice.  Images are in the units of the k-space.

    Attributes:
        method: name of the attacked method.
        attack: name of the attack.
        threat: name of the threat.
        eps: allowed sizes, ascending; all other epsilon axes have this order.
        clean: (ty, tx) image of the unperturbed data.
        attacked: (epsilon, ty, tx) image under the perturbation.
        noisy: (epsilon, ty, tx) image under random noise of the same size, the control.
        truth: (ty, tx) true image, None if it is not known; scores then compare with `clean`.
        perturbation: (epsilon, coil, ny, nx) complex64 to be added to the k-space, for the threats "measured",
            "kspace" and "per_coil".  For other threats (epsilon, ...) as `jaxcs.threats` defines it: an image (ny, nx)
            in the units of the k-space, "whitened" data in these units, or the parameters of a change in their units.
        noise: the control, of the same form.
        norm: (epsilon,) sizes of the perturbations, measured in the units of epsilon.
        norm_kspace: (epsilon,) norm of the change of the measured k-space, relative to its norm [-].
        loss: (epsilon,) loss that the attack reached.
        trace: (epsilon, evaluation) loss at each evaluation.
        scores: scores by metric (a name in `jaxcs.METRICS`).
        flags: names of the objections to the result, for each epsilon; `jaxcs.evidence.FLAGS` explains them.
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
        """Format a table of PSNR and SSIM by epsilon."""
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
