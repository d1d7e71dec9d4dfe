"""The records of one slice, made from its computed results."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.evaluate.certified import certified
from bench.evaluate.evidence import flag_across
from bench.evaluate.experiment import Evaluated, Found
from bench.evaluate.scan import stored_unit
from bench.evaluate.subjects import Subject
from bench.plan.config import OF_THE_FILE, RunConfig
from bench.record.rows import Row, SearchRow
from bench.slices.coverage import MOST_LEFT_OUT
from bench.slices.prepare import Prepared
from jaxcs.attacks.losses import LOSSES
from jaxcs.evidence import CONVERGED, clean_flags, raised, search_flags, victim_flags
from jaxcs.types import SliceData

_NOT_A_METRIC = ("clamped", "widened")


class Outcome(NamedTuple):
    """The results of one slice, source and epsilon; or of many, with these as the first axes of the arrays.

    Attributes:
        found: what the attack found.
        finite: whether the perturbation is finite.
        checks: losses that the checking attacks found, by the name of the check.
        scored: scores under the perturbation and under noise, by victim.
        losses: the loss that the attack maximises, under the perturbation and under noise, by victim.
    """

    found: Found
    finite: Any
    checks: dict[str, Any]
    scored: dict[str, tuple[Evaluated, Evaluated]]
    losses: dict[str, tuple[Any, Any]]

    def without_perturbations(self) -> Outcome:
        """Return the results without the perturbation and the noise, of which each is as large as the data."""
        rest: dict[str, Any] = {"delta": None, "noise": None}
        return self._replace(found=self.found._replace(**rest))


class Result(NamedTuple):
    """The records of one slice.

    Attributes:
        rows: rows of images.jsonl.
        searches: rows of searches.jsonl.
        failure: reason why the slice failed, or None.
        pictures: pictures by name.
        perturbations: perturbations by name, in raw units.
    """

    rows: list[Row]
    searches: list[SearchRow]
    failure: str | None
    pictures: dict[str, np.ndarray]
    perturbations: dict[str, np.ndarray]


def result(
    config: RunConfig,
    prepared: Prepared,
    start: Evaluated,
    clean: dict[str, Evaluated],
    outcomes: dict[tuple[str, float], Outcome],
    sources: list[Subject],
    victims: list[Subject],
) -> Result:
    """Make all records of one slice.

    Args:
        config: settings of the run.
        prepared: the slice.
        start: scores of the linear start, with which every method is compared.
        clean: scores on clean data, by victim.
        outcomes: results by source and epsilon.
        sources: the methods that are attacked.
        victims: the methods that are scored.
    """
    baseline = {metric: float(value) for metric, value in start.scores.items()}
    by_label = {one.label: one for one in victims}
    # Keep the order of the run: JAX sorts the names of mappings.
    labels = [(source.label, eps) for source in sources for eps in config.eps]
    rows: list[Row] = []
    searches: list[SearchRow] = []
    losses: dict[tuple[str, str, float], float] = {}
    name = prepared.name
    bounds = {label: certified(config, prepared, one) for label, one in by_label.items()}
    pictures = {f"{name}|truth": np.asarray(prepared.data.target)}
    pictures |= {f"{name}|{label}|clean": np.asarray(one.image) for label, one in clean.items()}
    for source, eps in labels:
        one = outcomes[source, eps]
        pictures[f"{name}|{source}|perturbation|{eps:g}"] = np.asarray(one.found.picture)
        if prepared.mask != OF_THE_FILE:
            pictures[f"{name}|{source}|perturbed truth|{eps:g}"] = np.asarray(one.found.perturbed)
        checks = {check: float(loss) for check, loss in one.checks.items()}
        searched = search_flags(eps, one.found, checks)
        attack = by_label[source].attack.name
        searches.append(
            SearchRow(
                case=name,
                source=source,
                attack=attack,
                eps=eps,
                trace=tuple(one.found.trace.tolist()),
                restarts=tuple(one.found.restarts.tolist()),
                ssim=tuple(one.found.curve.tolist()) or None,
                **checks,
            )
        )
        for victim in (label for label in by_label if label in one.scored):
            attacked, noise = one.scored[victim]
            pictures[f"{name}|{victim}|{source}|{eps:g}"] = np.asarray(attacked.image)
            pictures.setdefault(f"{name}|{victim}|noise|{eps:g}", np.asarray(noise.image))
            far, near = map(float, one.losses[victim])
            losses[source, victim, eps] = far
            clamped = float(attacked.scores.get("clamped", 0.0))
            randomised = config.method_seed == "fresh" and by_label[victim].method.random is not None
            reconstructed = {"clean": clean[victim], "noise": noise, "attacked": attacked}
            errors = {state: _solver_error(scored) for state, scored in reconstructed.items()}
            holds = victim_flags(eps, far, near, clamped, randomised, _maps_leave_out(prepared, by_label[victim]))
            holds["solver not converged"] = any(
                error is not None and not error <= CONVERGED for error in errors.values()
            )
            unperturbed = {name: float(value) for name, value in clean[victim].scores.items()}
            holds |= clean_flags(unperturbed, baseline, sinogram=prepared.is_sinogram)
            flags = raised(holds | (searched if source == victim else {}))
            common: dict[str, Any] = {"case": name, "volume": prepared.volume, "source": source, "victim": victim}
            common |= {"attack": attack, "eps": eps}
            measured: dict[str, Any] = {
                "norm": float(one.found.norm),
                "norm_kspace": float(one.found.norm_kspace),
                "flags": tuple(flags),
            }
            measured |= {f"solver_error_{state}": error for state, error in errors.items()}
            if "clamped" in attacked.scores:
                measured |= {"clamped_clean": float(clean[victim].scores["clamped"]), "clamped": clamped}
            if "widened" in attacked.scores:
                measured |= {"widened": float(attacked.scores["widened"])}
            bound = bounds[victim].get(eps, {})
            rows += [
                Row(
                    **common | {"metric": metric, "zero_filled": baseline[metric]} | values | measured,
                    certified=bound.get(metric),
                    certified_confidence=bound.get("confidence") if metric in bound else None,
                )
                for metric, values in _scores(clean[victim], noise, attacked).items()
            ]
    rows = flag_across(rows, losses)
    broken = [
        row.eps for row in rows if not np.isfinite([baseline[row.metric], row.clean, row.noise, row.attacked]).all()
    ]
    # A norm of NaN counts as 0, so that a perturbation with NaN would pass for a small perturbation.
    broken += [eps for (_, eps), one in outcomes.items() if not one.finite]
    failure = f"non-finite result at epsilon {broken[0]:g}" if broken else None
    single, unit = len(sources) == 1, stored_unit(config, prepared.scale)
    perturbations = {
        f"{name}|{eps:g}" if single else f"{name}|{source}|{eps:g}": np.asarray(one.found.delta) * unit
        for (source, eps), one in outcomes.items()
        if one.found.delta is not None
    }
    pictures = {key: np.asarray(picture, np.float16) for key, picture in pictures.items()}
    return Result(rows, searches, failure, pictures, perturbations)


def _solver_error(evaluated: Evaluated) -> float | None:
    """Distance of the image from its minimiser, at most 1 as JSON has no infinity; None if nothing is minimised."""
    error = float(evaluated.solver_error)
    return None if np.isnan(error) else min(error, 1.0)


def _maps_leave_out(prepared: Prepared, victim: Subject) -> bool:
    """True if the method uses coil maps, and the maps leave out too much of the object."""
    left_out = prepared.left_out
    return left_out is not None and left_out > MOST_LEFT_OUT and victim.method.uses_maps(victim.method_config)


def losses(config: RunConfig, clean: Evaluated, scored: Evaluated, data: SliceData) -> Array:
    """Compute the loss that the attack maximises, in the part of the image that it looks at, for a whole batch.

    Args:
        config: settings of the run.
        clean: reconstructions of clean data; the first axes of its arrays are slices and 1.
        scored: perturbed reconstructions; the first axes are slices and perturbations.
        data: the slices.

    Returns:
        (slice, perturbation) losses.
    """
    if LOSSES[config.loss].sees != "image":
        return scored.scores[config.loss]
    region = data.region if config.aim == "region" else None
    reference = scored.truth if config.target == "truth" else jnp.broadcast_to(clean.image, scored.image.shape)
    return _losses(config.loss, scored.image, reference, data.data_range, region)


@partial(jax.jit, static_argnums=0)
def _losses(name: str, image: Array, reference: Array, data_range: Array, region: Array | None) -> Array:
    def loss(image: Array, reference: Array, data_range: Array, region: Array | None) -> Array:
        return LOSSES[name](image, reference, data_range, region)

    return jax.vmap(jax.vmap(loss, (0, 0, None, None)))(image, reference, data_range, region)


def _scores(clean: Evaluated, noise: Evaluated, attacked: Evaluated) -> dict[str, dict[str, float]]:
    """Scores on clean data, under noise and under attack, by metric."""
    states = {"clean": clean, "noise": noise, "attacked": attacked}
    return {
        metric: {state: float(one.scores[metric]) for state, one in states.items()}
        for metric in sorted(clean.scores)
        if metric not in _NOT_A_METRIC
    }
