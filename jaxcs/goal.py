"""The goal of an attack: the error that it drives up, where, and how much SSIM it may cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from jaxcs.attacks.base import AttackResult
from jaxcs.attacks.losses import LOSSES, ImageLoss
from jaxcs.complex import magnitude
from jaxcs.fourier import image_crop
from jaxcs.measures.hallucination import hallucinations
from jaxcs.metrics import Region, ssim
from jaxcs.operators import Sense
from jaxcs.threats.scan import Scan
from jaxcs.types import SliceData

Score = Callable[[Array, Array, Region | None], Array]
# Scores that only some goals have.
OF_GOALS = ("hallucination", "ssim_image")
# Halvings of a perturbation that costs too much SSIM: its size is then known to one part in 256.
_HALVINGS = 8


class Goal(NamedTuple):
    """The error that an attack maximises.

    Attributes:
        target: "truth" or "clean": the image that the attack drives away from.
        loss: the error that the attack maximises, named in `jaxcs.attacks.losses`.
        aim: "image" or "region", which is that of each slice: the part in which the attack maximises the error.
        conventions: further scores by name, each a function of (image, truth, region of the slice).
        stealth: the most SSIM of the whole image that the attack may cost [-], None for any.
    """

    target: str = "truth"
    loss: str = "nmse"
    aim: str = "image"
    conventions: Mapping[str, Score] = MappingProxyType({})
    stealth: float | None = None

    def aimed(self, data: SliceData) -> Region | None:
        """Return the part of a slice in which the attack maximises the error, None for the whole image."""
        return data.region if self.aim == "region" else None

    def scores(self, data: SliceData) -> Callable[[Array, Array], dict[str, Array]]:
        """Return the function that computes the scores of this goal, beside those of every run.

        Args:
            data: the slice.

        Returns:
            (image before the crop, truth) -> scores by name.
        """
        view = _View.of(LOSSES[self.loss], data)

        def scored(image: Array, truth: Array) -> dict[str, Array]:
            cropped = image_crop(image, _shape(data))
            found = {name: score(cropped, truth, data.region) for name, score in self.conventions.items()}
            if view.truth is not None:
                found[self.loss] = LOSSES[self.loss](view.look(image), view.truth, data.data_range, data.region)
            if self.stealth is not None and data.region is not None:
                found["ssim_image"] = ssim(cropped, truth, data.data_range)
            return found

        return scored


class Objective(NamedTuple):
    """A goal on one slice.

    Attributes:
        rows: (image before the crop, perturbation) -> the loss of each row, whose sum an attack maximises; a single
            row if SSIM is bounded, which is no sum over rows.
        value: the sum -> the loss in its units.
        reference: perturbation -> the image that the attack drives away from.
        excess: (image before the crop, perturbation) -> the loss of SSIM above its bound, None if there is no bound.
    """

    rows: Callable[[Array, Array], Array]
    value: Callable[[Array], Array]
    reference: Callable[[Array], Array]
    excess: Callable[[Array, Array], Array] | None

    def kept(self, found: AttackResult, imaged: Callable[[Array], Array]) -> AttackResult:
        """Shrink a perturbation that costs more SSIM than it may; the image of a zero perturbation costs none.

        Args:
            found: the result of an attack on `rows`.
            imaged: perturbation -> image before the crop.
        """
        excess = self.excess
        if excess is None:
            return found

        def above(share: Array) -> Array:
            delta = share * found.delta
            return excess(imaged(delta), delta) > 0

        def halved(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = (low + high) / 2
            over = above(middle)
            return jnp.where(over, low, middle), jnp.where(over, middle, high)

        def shrunk(_: None) -> Array:
            return jax.lax.fori_loop(0, _HALVINGS, halved, (jnp.float32(0.0), jnp.float32(1.0)))[0]

        share = jax.lax.cond(above(jnp.float32(1.0)), shrunk, lambda _: jnp.float32(1.0), None)
        delta = share * found.delta
        return found._replace(delta=delta, loss=jnp.sum(self.rows(imaged(delta), delta)).astype(found.loss.dtype))


def objective(goal: Goal, scan: Scan, data: SliceData, clean: Array) -> Objective:
    """Build the loss of a goal on one slice.

    With a bound b on the SSIM that may be lost, and the loss s of SSIM, the attack maximises the error times
    1 - max(s - b, 0) / b: a penalty without a scale of its own, which trades the relative growth of both.  `kept` then
    shrinks what it finds until s <= b.

    Args:
        goal: the goal.
        scan: the threat.
        data: the slice.
        clean: (ty, tx) image of the clean data.
    """
    loss, aimed = LOSSES[goal.loss], goal.aimed(data)
    view = _View.of(loss, data)

    def reference(delta: Array) -> Array:
        return scan.truth(data, delta) if goal.target == "truth" else clean

    def errors(image: Array, delta: Array) -> Array:
        against = reference(delta) if view.truth is None else view.truth
        return loss.rows(view.look(image), against, data.data_range, aimed)

    def value(total: Array) -> Array:
        true = data.target if goal.target == "truth" else clean
        # Beyond the bound the total is below 0, where no error has done anything yet.
        return loss.value(jnp.maximum(total, 0.0), true if view.truth is None else view.truth, aimed)

    if goal.stealth is None:
        return Objective(errors, value, reference, None)
    before, bound = ssim(clean, data.target, data.data_range), goal.stealth

    def excess(image: Array, delta: Array) -> Array:
        now = ssim(image_crop(image, _shape(data)), scan.truth(data, delta), data.data_range)
        return before - now - bound

    def bounded(image: Array, delta: Array) -> Array:
        over = jnp.maximum(excess(image, delta), 0.0) / bound
        return (jnp.sum(errors(image, delta)) * (1 - over))[None]

    return Objective(bounded, value, reference, excess)


def _shape(data: SliceData) -> tuple[int, int]:
    return data.target.shape[0], data.target.shape[1]


class _View(NamedTuple):
    """The images that a loss compares.

    look: image before the crop -> (ty, tx) what stands in place of the image.
    truth: (ty, tx) magnitude of the true image that it was made against, None if the loss sees the image itself.
    """

    look: Callable[[Array], Array]
    truth: Array | None

    @classmethod
    def of(cls, loss: ImageLoss, data: SliceData) -> _View:
        shape = _shape(data)
        if loss.sees == "image":
            return cls(lambda image: image_crop(image, shape), None)
        truth = Sense(data.maps, jnp.ones(data.kspace.shape[-1], bool)).adjoint(data.kspace)
        mapped = hallucinations(truth, data.maps, data.mask)
        return cls(lambda image: image_crop(mapped(image), shape), image_crop(magnitude(truth), shape))
