"""The whole of a training as one frozen value: what is written to train.json, and what a resumed run reads back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.plan.catalogue import MASKS, NETWORKS, PHANTOMS, SHIFTS
from bench.plan.config import Sampling, fingerprint_of
from bench.record.forms import Form, mapping, number, one_of, optional, table, text, whole


def _shifts(value: Any) -> None:
    mapping(number)(value)
    for name in value:
        one_of(SHIFTS)(name)


# What train.json holds of it.
FORM: Form = table(
    {
        "method": one_of(NETWORKS), "variant": text, "data": optional(text), "validation": optional(text),
        "phantom": one_of(PHANTOMS), "images": optional(whole(1)), "validation_images": optional(whole(1)),
        "rows": whole(), "mask": one_of(MASKS), "acceleration": number, "center_fraction": number,
        "loss": one_of(("l1", "l2", "ssim")), "steps": whole(1), "batch": whole(1), "accumulate": whole(1),
        "learning_rate": number, "precision": one_of(("float32", "bfloat16")), "adversarial_eps": number,
        "adversarial_steps": whole(), "jitter": number, "every": whole(1), "patience": whole(1),
        "initial": optional(text), "seed": whole(0, 2**64), "licence": text,
    },
    {"self_supervised": number, "shift": _shifts},
)  # fmt: skip


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the losses of a training.

    method, variant: the network and its named configuration.
    data: path of fastMRI or image files, or None for the phantom of `phantom`; validation: path, or None for a part of
        the same source.  images, validation_images: how many are used, None for all.
    rows: rows of the image that an example keeps, 0 for all; exact, because rows are fully sampled.
    shift: (name, size) of each shift of the scans, named in `data_prep.shifts`, in the order they happen.
    mask, acceleration, center_fraction: the sampling, drawn anew for every example of every step.
    loss: "l1", "l2" or "ssim".  steps, batch, accumulate: optimiser steps, examples at once, batches per step.
    learning_rate: of Adam at its peak.  precision: "float32" or "bfloat16", of the convolutions.
    adversarial_eps, adversarial_steps: radius and gradient steps of an attack on every example; 0 for none.
    jitter: largest relative norm of noise added to the measured data; 0 for none.
    self_supervised: weight of ||M (F c - y)||_1 / ||M y||_1 beside the loss, for test-time training; 0 for none.
    initial: weights to start from, None for random ones.  licence: of the weights, for their card.
    every: steps between validations and checkpoints.  patience: validations without a better one before it stops.
    """

    method: str
    variant: str
    data: str | None
    validation: str | None
    phantom: str
    images: int | None
    validation_images: int | None
    rows: int
    mask: str
    acceleration: float
    center_fraction: float
    loss: str
    steps: int
    batch: int
    accumulate: int
    learning_rate: float
    precision: str
    adversarial_eps: float
    adversarial_steps: int
    jitter: float
    every: int
    patience: int
    initial: str | None
    seed: int
    licence: str
    self_supervised: float = 0.0
    shift: tuple[tuple[str, float], ...] = ()

    @property
    def sampling(self) -> Sampling:
        """How the examples are under-sampled."""
        return Sampling(self.mask, self.acceleration, self.center_fraction)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON can hold it."""
        return asdict(self) | {"shift": dict(self.shift)}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> TrainConfig:
        """The configuration of which `to_dict` made this, read again.  Raises TypeError for any other."""
        return cls(**content | {"shift": tuple(content.get("shift", {}).items())})

    def fingerprint(self) -> str:
        """Eight hexadecimal digits that change with any field."""
        return fingerprint_of(self.to_dict())
