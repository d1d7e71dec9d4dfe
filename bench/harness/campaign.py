"""The attack on every slice of a source, recorded slice by slice."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.harness import methods
from bench.harness.config import RunConfig
from bench.harness.errors import InputFileError, OutOfMemoryError
from bench.harness.experiment import Found, Functions, build, distance, no_perturbation
from bench.harness.parallel import side_by_side
from bench.harness.prepare import Prepared, prepare
from bench.harness.progress import Progress
from bench.harness.records import FLAGS, RunFolder
from bench.harness.sources import Source
from data_prep.cases import InputError
from jaxcs.attacks import ATTACKS
from jaxcs.metrics import METRICS
from jaxcs.recon import METHODS

# From this fraction of cut-off input pixels on, a record is flagged: there the gradient is blind.
_CLAMPED = 0.01
# The epsilon nearest to this one is shown as pictures.
_SHOWN_EPSILON = 0.05


class Work(NamedTuple):
    """What does not change during a run."""

    config: RunConfig
    method_config: Any
    params: Any
    attack_config: Any
    batch: int
    save_perturbations: bool

    def gradients_per_epsilon(self) -> int:
        """Gradient evaluations of one attack on one slice."""
        return getattr(self.attack_config, "n_steps", 0) * getattr(self.attack_config, "restarts", 1)


class Done(NamedTuple):
    """rows: of images.jsonl.  failures: why, by case.  samplings: what each mask measured, by case."""

    rows: list[dict[str, Any]]
    failures: dict[str, str]
    samplings: dict[str, Any]


def attack_all(work: Work, source: Source, folder: RunFolder) -> Done:
    """Attack every case and record each as soon as it and those before it are done."""
    rows: list[dict[str, Any]] = []
    failures: dict[str, str] = {}
    samplings: dict[str, Any] = {}
    compiled: dict[Any, Functions] = {}
    progress = Progress(len(source.readers), "images")
    worst = 0.0

    def fail(name: str, reason: str) -> None:
        failures[name] = reason
        folder.append([{"case": name, "failed": reason}])
        progress.advance(f"{name} failed")

    def attack(group: list[Prepared]) -> tuple[list[Prepared], list[_Result]]:
        calibration = group[0].calibration if work.config.maps == "reestimated" else None
        method_config = methods.fitted(work.method_config, group[0].data.maps.shape[1:], group[0].data.target.shape)
        kind = (calibration, method_config)
        if kind not in compiled:
            compiled[kind] = _functions(work, method_config, calibration)
        try:
            return group, _attack_batch(work, compiled[kind], group)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" in str(error):
                raise OutOfMemoryError("out of memory; use a smaller --batch or a smaller matrix") from error
            raise

    for group, results in side_by_side(attack, _batches(source, work, fail)):
        for prepared, result in zip(group, results, strict=True):
            samplings[prepared.name] = prepared.sampling._asdict()
            if result.failure:
                fail(prepared.name, f"{prepared.name}: {result.failure}")
                continue
            if not rows:
                folder.write_arrays("example.npz", result.pictures)
            folder.append(result.rows)
            rows += result.rows
            if work.save_perturbations:
                folder.append_arrays("perturbations.npz", result.perturbations)
            worst = max([worst, *(row["clean"] - row["attacked"] for row in result.rows if row["metric"] == "psnr")])
            progress.advance(f"worst so far {worst:.1f} dB PSNR lost")
    return Done(rows, failures, samplings)


class _Result(NamedTuple):
    """One slice: its rows, why it failed or None, the arrays shown as pictures, and each epsilon's perturbation."""

    rows: list[dict[str, Any]]
    failure: str | None
    pictures: dict[str, np.ndarray]
    perturbations: dict[str, np.ndarray]


def _attack_batch(work: Work, functions: Functions, group: list[Prepared]) -> list[_Result]:
    """All epsilons of one batch, each warm-started from the one below."""
    config = work.config
    # The last batch may be short; its first slice fills it up, so that nothing compiles again.
    members = group + [group[0]] * (work.batch - len(group))
    data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member.data for member in members))
    # From the name, so that a slice's numbers depend neither on the order nor on the batch.
    seed = jax.random.key(config.seed)
    keys = jnp.stack([jax.random.fold_in(seed, zlib.crc32(member.name.encode())) for member in members])
    nothing = no_perturbation(config, data)
    # What the attack takes for the seed of a method that draws its network.
    search_keys = keys if config.method_seed == "known" else jax.vmap(partial(jax.random.fold_in, data=1))(keys)
    clean = functions.evaluate(data, nothing, keys)
    start = functions.prepare(data, search_keys)
    begin = nothing
    outcomes: dict[float, _Outcome] = {}
    for eps in config.eps:
        found = functions.search(data, clean[0], start, jnp.full(len(members), eps), begin, search_keys)
        if eps > 0:
            begin = found.delta
        attacked, noise = (functions.evaluate(data, delta, keys) for delta in (found.delta, found.noise))
        outcomes[eps] = jax.tree.map(np.asarray, _Outcome(found, attacked, noise))
    clean = jax.tree.map(np.asarray, clean)
    return [
        _result(work, prepared, *jax.tree.map(lambda leaf, i=index: leaf[i], (clean, outcomes)))
        for index, prepared in enumerate(group)
    ]


class _Outcome(NamedTuple):
    """One slice at one epsilon: what was found, and image and scores under attack and under noise."""

    found: Found
    attacked: tuple[Array, dict[str, Array]]
    noise: tuple[Array, dict[str, Array]]


def _result(
    work: Work, prepared: Prepared, clean: tuple[Array, dict[str, Array]], outcomes: dict[float, _Outcome]
) -> _Result:
    reference = prepared.data.target if work.config.target == "truth" else clean[0]
    rows = [
        row for eps, one in outcomes.items() for row in _rows(work.config, prepared.name, eps, clean[1], one, reference)
    ]
    broken = [row["eps"] for row in rows if not np.isfinite([row["clean"], row["noise"], row["attacked"]]).all()]
    shown = min(outcomes, key=lambda eps: abs(eps - _SHOWN_EPSILON))
    pictures = {
        "case": np.array(prepared.name),
        "eps": np.array(shown),
        "truth": np.asarray(prepared.data.target),
        "clean": np.asarray(clean[0]),
        "noise": np.asarray(outcomes[shown].noise[0]),
        "attacked": np.asarray(outcomes[shown].attacked[0]),
        "perturbation": np.asarray(outcomes[shown].found.picture),
    }
    perturbations = {
        f"{prepared.name}|{eps:g}": np.asarray(one.found.delta) * prepared.scale for eps, one in outcomes.items()
    }
    failure = f"non-finite result at epsilon {broken[0]:g}" if broken else None
    return _Result(rows, failure, pictures, perturbations)


def _rows(
    config: RunConfig, name: str, eps: float, clean: dict[str, Array], one: _Outcome, reference: Array
) -> list[dict[str, Any]]:
    """A row for each metric of one slice at one epsilon."""
    common = {"case": name, "source": config.method, "victim": config.method, "attack": config.attack, "eps": eps}
    clamped = float(one.attacked[1]["clamped"]) if "clamped" in clean else 0.0
    holds = {
        "zero gradient": eps > 0 and one.found.gradient_norm == 0,
        "gradient overflow": not np.isfinite(one.found.gradient_norm),
        "below noise": eps > 0 and distance(one.attacked[0], reference) <= distance(one.noise[0], reference),
        "input clamped": clamped > _CLAMPED,
    }
    measured: dict[str, Any] = {
        "norm": float(one.found.norm),
        "norm_kspace": float(one.found.norm_kspace),
        "flags": [flag for flag in FLAGS if holds[flag]],
    }
    if "clamped" in clean:
        measured |= {"clamped_clean": float(clean["clamped"]), "clamped": clamped}
    return [
        common
        | {
            "metric": metric,
            "clean": float(clean[metric]),
            "noise": float(one.noise[1][metric]),
            "attacked": float(one.attacked[1][metric]),
        }
        | measured
        for metric in sorted(METRICS)
    ]


def _batches(source: Source, work: Work, fail: Callable[[str, str], None]) -> Iterator[list[Prepared]]:
    """Prepared slices in groups of equal shape and calibration; `fail` hears of those that cannot be used."""
    group: list[Prepared] = []
    for name, read in source.readers.items():
        try:
            prepared = prepare(read(), work.config)
        except (InputError, InputFileError) as error:
            fail(name, str(error))
            continue
        if group and (len(group) == work.batch or _kind(prepared) != _kind(group[0])):
            yield group
            group = []
        group.append(prepared)
    if group:
        yield group


def _kind(prepared: Prepared) -> Any:
    return prepared.calibration, jax.tree.map(jnp.shape, prepared.data)


def _functions(work: Work, method_config: Any, calibration: tuple[int, int] | None) -> Functions:
    entry, attack = METHODS[work.config.method], ATTACKS[work.config.attack].build(work.attack_config)
    return build(work.config, work.params, entry, method_config, attack, calibration)
