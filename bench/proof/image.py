"""One image of a run, scored again under its stored perturbations."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array

from bench.evaluate import scan, subjects
from bench.evaluate.experiment import Functions
from bench.evaluate.single_slice import SingleSlice
from bench.evaluate.subjects import Subject
from bench.plan import linear_start
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError
from bench.record.perturbations import Perturbations
from bench.record.rows import Row
from bench.run.executor import functions_for
from bench.slices.prepare import Prepared
from jaxcs.names import printable

# Largest relative difference between a score and its record [-].
TOLERANCE = 1e-4
# Smaller scores may differ by as much as these, by metric: the decibel is a logarithm, and SSIM may pass zero.
_LEAST = {"psnr": 1.0, "ssim": 0.01}
# A perturbation may be larger than its epsilon by this share, for rounding.
_ROUNDING = 1e-3
# A score for each perturbation, by metric.
_Scores = dict[str, list[float]]


class Score(NamedTuple):
    """A number of the record, computed again.

    Attributes:
        case: name of the image.
        what: the number in words.
        recorded: its value in the record.
        again: its value here.
        least: smallest value of which `TOLERANCE` is a share.
    """

    case: str
    what: str
    recorded: float
    again: float
    least: float

    @property
    def difference(self) -> float:
        """The difference, relative to the record [-]; it may be NaN."""
        least = max(abs(self.recorded), self.least)
        return abs(self.again - self.recorded) / least if least else abs(self.again)

    @property
    def same(self) -> bool:
        """Whether the two values agree; NaN agrees with nothing."""
        return self.difference <= TOLERANCE

    def told(self) -> str:
        """Return both values as a sentence."""
        return printable(f"{self.case}: {self.what}: {self.again:.6g} here, {self.recorded:.6g} in the record")


def scores_of(
    config: RunConfig,
    prepared: Prepared,
    rows: list[Row],
    kept: Perturbations,
    victims: list[Subject],
    compiled: dict[Any, Functions],
) -> list[Score]:
    """Score an image again.

    Args:
        config: settings of the run on this machine.
        prepared: the image.
        rows: its results.
        kept: perturbations of the run.
        victims: the methods that are scored.
        compiled: their functions, which are added to it.

    Raises:
        InputFileError: a perturbation is missing, damaged or larger than its epsilon.
    """
    threat = scan.build(config, None)
    nothing = threat.nothing(prepared.data)
    unit = threat.allowed(prepared.data, jnp.ones((), jnp.float32))
    eps = sorted({row.eps for row in rows if row.eps > 0})
    deltas: dict[str, Array] = {}
    for source in {row.source for row in rows} if eps else ():
        found = [_read(kept, prepared.name, source, value, nothing) for value in eps]
        deltas[source] = jnp.stack(found) / scan.stored_unit(config, prepared.scale)
    clean: dict[str, _Scores] = {}
    under: dict[tuple[str, str], _Scores] = {}
    least, start = subjects.linear_start_of(config), linear_start.of(sinograms=config.sinograms).head
    for one in {subject.label: subject for subject in (least, *victims)}.values():
        single = SingleSlice.of(functions_for(compiled, None, one, [prepared]), prepared, config.seed)
        clean[one.label] = single.scores(nothing[None, None])
        for source in {row.source for row in rows if row.victim == one.label} & deltas.keys():
            under[source, one.label] = single.scores(deltas[source][None])
    scores: dict[tuple[str, float], Score] = {}

    def compare(what: str, recorded: float | None, again: float, least: float = 0.0) -> None:
        if recorded is not None:
            scores[what, recorded] = Score(prepared.name, what, recorded, again, least)

    for row in rows:
        if row.metric not in clean[row.victim]:
            raise InputFileError(f"{prepared.name}: {row.metric} is no metric of this run's configuration")
        small, size = _LEAST.get(row.metric.partition("_")[0], 0.0), 0.0
        attacked_score = clean[row.victim][row.metric][0]
        if row.eps > 0:
            index = eps.index(row.eps)
            size = float(unit.share(deltas[row.source][index]))
            attacked_score = under[row.source, row.victim][row.metric][index]
        whose = "" if row.source == row.victim else f" made for {row.source}"
        compare(f"{start} {row.metric}", row.zero_filled, clean[least.label][row.metric][0], small)
        compare(f"{row.victim}, clean {row.metric}", row.clean, clean[row.victim][row.metric][0], small)
        where = f"{row.victim} under a perturbation{whose} of {row.eps:g}"
        compare(f"{where}, {row.metric}", row.attacked, attacked_score, small)
        compare(f"norm of the perturbation for {row.source} of {row.eps:g}", row.norm, size)
        if size > row.eps * (1 + _ROUNDING):
            compare(f"largest norm of the perturbation for {row.source} of {row.eps:g}", row.eps, size)
    return list(scores.values())


def _read(kept: Perturbations, case: str, source: str, eps: float, nothing: Array) -> Array:
    """A stored perturbation in raw units, of the shape and type of `nothing`."""
    delta = kept.read(case, source, eps, nothing.shape)
    which = printable(f"{case}: the perturbation for {source} of {eps:g}")
    if delta is None:
        raise InputFileError(f"{which} is not stored, though the record has it; give the whole run")
    if delta.dtype != nothing.dtype:
        raise InputFileError(f"{which} is {delta.dtype}, as no attack of this threat makes it; give the whole run")
    return jnp.asarray(delta)
