"""The sweep over the constants of the attack: a finding that is an artefact of a constant is lost beside it.

The ascent of `bench.studies.stability.perturbation` is repeated with every pair of a step and a penalty, and with
other momenta.  Each ascent is scored after half, all and twice its steps.  Antun et al. (PNAS 2020) chose constants for
each network by hand, and advise to vary them.
"""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from bench.studies.stability.functions import halves
from bench.studies.stability.one_image import OneImage, Rows, Work
from jaxcs.attacks import momentum
from jaxcs.complex import l2_norm

_STEPS, _PENALTIES, _DECAYS = (0.3, 1.0, 3.0), (0.1, 1.0, 10.0), (0.0, 0.5, 0.99)


class Point(NamedTuple):
    """Constants of an ascent.

    Attributes:
        step_factor: eta, as a multiple of that of the study [-].
        penalty_factor: lambda, as a multiple of that of the study [-].
        decay: gamma, of the momentum [-].
    """

    step_factor: float
    penalty_factor: float
    decay: float

    @property
    def name(self) -> str:
        """Its name in the record."""
        return f"step x {self.step_factor:g}, penalty x {self.penalty_factor:g}, momentum {self.decay:g}"


def points(constants: momentum.Config) -> list[Point]:
    """Return the constants of the sweep: every step with every penalty, and every momentum.

    Args:
        constants: the constants of the study, which are among them.
    """
    grid = [Point(step, penalty, constants.decay) for step, penalty in itertools.product(_STEPS, _PENALTIES)]
    return grid + [Point(1.0, 1.0, decay) for decay in _DECAYS if decay != constants.decay]


def swept(one: OneImage, constants: momentum.Config, point: Point) -> Work:
    """Score the tested method under the perturbations of an ascent with other constants.

    Args:
        one: the world on the slice.
        constants: the constants of the study.
        point: those of this ascent.
    """
    member = one.cast.tested
    functions, staged, clean = one.functions[member.label], one.staged[member.label], one.reference[member.label]
    truth = one.prepared.data.target
    reference = clean if one.cast.world.target == "clean" else truth
    varied = momentum.Varied(*(jnp.float32(value) for value in (point.penalty_factor, point.step_factor, point.decay)))
    # The key of the study's own ascent: the constants alone differ.
    deltas = functions.vary(staged, reference, varied, jax.random.fold_in(one.random, 1), one.key)
    rows: Rows = []
    for steps, r in zip(halves(constants).snapshots, deltas, strict=True):
        norm, change = l2_norm(r), one.moved(member.label, r)[1]
        row: dict[str, Any] = {"method": member.label, "role": member.role, **point._asdict(), "steps": steps}
        row |= {"norm": float(norm / l2_norm(truth)), "change": float(change / l2_norm(clean))}
        rows.append(row | {"gain": float(change / norm)})
    return rows, {}
