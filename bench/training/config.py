"""All settings of a training as one frozen value: train.json stores it, and a resumed run reads it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bench.plan.config import Configuration, Sampling
from bench.record.forms import Form, list_of, mapping, number, one_of, optional, table, text, whole
from jaxcs.catalogue import CT_PHANTOMS, KSPACE, MASKS, METHODS, NETWORKS, PHANTOMS, SHIFTS


def _shifts(value: Any) -> None:
    mapping(number)(value)
    for name in value:
        one_of(SHIFTS)(name)


_family = one_of((*PHANTOMS, *CT_PHANTOMS))


def _families(value: Any) -> None:
    """One family of the phantom, or a list of several."""
    if value == []:
        raise ValueError("the list is empty")
    (list_of(_family) if type(value) is list else _family)(value)


# The form of the configuration in train.json.
FORM: Form = table(
    {
        "method": one_of(NETWORKS), "variant": text, "data": optional(text), "validation": optional(text),
        "phantom": _families, "images": optional(whole(1)),
        "validation_images": optional(whole(1)), "rows": whole(), "mask": one_of(MASKS), "acceleration": number,
        "center_fraction": number,
        "loss": one_of(("l1", "l2", "ssim")), "steps": whole(1), "batch": whole(1), "accumulate": whole(1),
        "learning_rate": number, "precision": one_of(("float32", "bfloat16")), "adversarial_eps": number,
        "adversarial_steps": whole(), "jitter": number, "every": whole(1), "patience": whole(1),
        "initial": optional(text), "seed": whole(0, 2**64), "licence": text,
    },
    {
        "self_supervised": number, "shift": _shifts, "shifted": number, "acquisition": list_of(text),
        "views": optional(whole(1)),
    },
)  # fmt: skip


@dataclass(frozen=True)
class TrainConfig(Configuration):
    """All settings that decide the losses of a training.

    Attributes:
        method: the network.
        variant: the named configuration of the network.
        data: path of fastMRI or image files, or None for the phantom.
        validation: path of the validation data, or None for a part of the training data.
        phantom: families of the phantom, each with an equal share of the images.
        images: number of training images, None for all.
        validation_images: number of validation images, None for all.
        rows: number of image rows in an example, 0 for all.  The band is exact, because rows are fully sampled.
        mask: kind of mask; a new mask is drawn for every example of every step.
        acceleration: acceleration factor of the mask [-].
        center_fraction: share of columns in the fully sampled centre [-].
        loss: "l1", "l2" or "ssim".
        steps: number of optimiser steps.
        batch: number of examples in a batch.
        accumulate: number of batches in a step.
        learning_rate: peak learning rate of Adam.
        precision: "float32" or "bfloat16", for the convolutions.
        adversarial_eps: relative radius of an attack on every example [-], 0 for none.
        adversarial_steps: number of gradient steps of this attack.
        jitter: largest relative norm of noise added to the measured data [-], 0 for none.
        every: number of steps between validations, each with a checkpoint.
        patience: number of validations without improvement before the training stops.
        initial: weights to start from, None for random weights.
        seed: seed of all random choices.
        licence: licence of the weights, for their card.
        self_supervised: weight of ||M (F c - y)||_1 / ||M y||_1 beside the loss, for test-time training; 0 for none.
        shift: (name, size) of each shift of the scans, in the order in which they happen; `data_prep.shifts` has the
            names.
        shifted: share of the scans that are shifted, spread evenly over each family [-].
        acquisition: acquisitions of the files that are used, see `data_prep.acquisition.is_of`; all if empty.
        views: number of views of a sinogram, None for the usual number.
    """

    method: str
    variant: str
    data: str | None
    validation: str | None
    phantom: tuple[str, ...]
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
    shifted: float = 1.0
    acquisition: tuple[str, ...] = ()
    views: int | None = None

    @property
    def sinograms(self) -> bool:
        """Whether the network reconstructs sinograms."""
        return KSPACE not in METHODS[self.method].takes

    @property
    def sampling(self) -> Sampling:
        """The under-sampling of the examples."""
        return Sampling(self.mask, self.acceleration, self.center_fraction)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold; fields that came later only if they are given."""
        content = asdict(self) | {"shift": dict(self.shift)}
        content["phantom"] = self.phantom[0] if len(self.phantom) == 1 else list(self.phantom)
        later = {"acquisition": (), "views": None, "shifted": 1.0}
        return {name: value for name, value in content.items() if name not in later or value != later[name]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> TrainConfig:
        """Read a configuration that `to_dict` wrote.

        Raises:
            TypeError: the fields are not those of a configuration.
        """
        pairs = {"shift": tuple(content.get("shift", {}).items()), "acquisition": tuple(content.get("acquisition", ()))}
        family = content["phantom"]
        return cls(**content | pairs | {"phantom": (family,) if isinstance(family, str) else tuple(family)})
