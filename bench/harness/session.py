"""One run from configuration to record."""

from __future__ import annotations

import sys
import time
import zlib
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.figures import overview
from bench.harness import provenance, sources
from bench.harness.arguments import did_you_mean
from bench.harness.config import RunConfig
from bench.harness.errors import DONE, SOME_FAILED, InputFileError, Interrupted, OutOfMemoryError, UsageError
from bench.harness.estimate import estimate
from bench.harness.experiment import Found, Functions, build, distance
from bench.harness.prepare import Prepared, prepare
from bench.harness.progress import Progress
from bench.harness.records import SCHEMA_VERSION, RunFolder, summarise
from bench.harness.table import render
from bench.report import write_report
from data_prep.cases import InputError
from jaxcs.attacks import ATTACKS
from jaxcs.recon import METHODS, l1

# The epsilon nearest to this one is shown as pictures.
_SHOWN_EPSILON = 0.05


class _Work(NamedTuple):
    """What does not change during a run."""

    config: RunConfig
    method_config: Any
    attack_config: Any
    batch: int
    save_perturbations: bool


def run(config: RunConfig, arguments: Namespace, argv: list[str]) -> tuple[dict[str, Any] | None, int]:
    """Carry out a run.  Returns the content of run.json (None for --dry-run) and the exit code."""
    begun = time.monotonic()
    sources.check_device(arguments.device)
    work = _Work(config, _method_config(config), _attack_config(config), arguments.batch, arguments.save_perturbations)
    source = sources.open_source(config)
    notes = list(source.notes) + _wavelet_notes(config, work.method_config, source.shapes)
    print(_headline(config, source, work), file=sys.stderr)
    # Before a folder is made, so that flags that do not fit the data leave nothing behind.
    print(f"mask {config.mask}: {_sampling(_first_usable(source, config))}", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if arguments.dry_run:
        return None, DONE
    folder = RunFolder(Path(arguments.output), config.method, config.fingerprint(), datetime.now())
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_dict(),
        "method_config": {field.name: getattr(work.method_config, field.name) for field in fields(work.method_config)},
        "threat_model": threat_model(config),
        "argv": argv,
        "versions": provenance.versions(),
        "git": provenance.git_state(),
        "device": provenance.device(),
        "data": source.description,
        "data_sha256": source.sha256,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "status": "running",
    }
    folder.write_json("run.json", record)
    try:
        rows, failures, evaluations, samplings = _attack_all(work, source, folder)
    except BaseException as error:
        stopped = "interrupted" if isinstance(error, KeyboardInterrupt | Interrupted) else "failed"
        folder.write_json("run.json", record | {"status": stopped})
        print(f"what was done until then is in {folder.path}", file=sys.stderr)
        raise
    record |= {
        "status": "done",
        "folder": str(folder.path),
        "notes": notes,
        "sampling": samplings,
        "failed": failures,
        "flags": _count_flags(rows),
        "gradient_evaluations": evaluations,
        "seconds": round(time.monotonic() - begun, 2),
        "summary": summarise(rows),
    }
    folder.write_summary(record["summary"])
    folder.write_json("run.json", record)
    if rows:
        folder.write("figure.png", overview.draw(folder.path))
        folder.write("report.html", write_report(folder.path))
    if rows and not arguments.json:
        print(render(record["summary"]))
    print(f"{_count(len(samplings))} in {record['seconds']:.0f} s; record and report in {folder.path}", file=sys.stderr)
    for reason in failures.values():
        print(f"failed: {reason}", file=sys.stderr)
    return record, SOME_FAILED if failures else DONE


def _attack_all(
    work: _Work, source: sources.Source, folder: RunFolder
) -> tuple[list[dict[str, Any]], dict[str, str], int, dict[str, Any]]:
    """Attack every case, batch by batch, and record each as it is done.

    Returns the rows, why cases failed, the number of gradient evaluations and what the masks sampled.
    """
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

    for group in _batches(source, work, fail):
        calibration = group[0].calibration if work.config.maps == "reestimated" else None
        if calibration not in compiled:
            compiled[calibration] = _functions(work, calibration)
        try:
            results = _attack_batch(work, compiled[calibration], group)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" in str(error):
                raise OutOfMemoryError("out of memory; use a smaller --batch or a smaller matrix") from error
            raise
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
    per_image = len(work.config.eps) * getattr(work.attack_config, "n_steps", 0) * work.config.restarts
    return rows, failures, per_image * len(samplings), samplings


class _Result(NamedTuple):
    """One slice: its rows, why it failed or None, the arrays shown as pictures, and each epsilon's perturbation."""

    rows: list[dict[str, Any]]
    failure: str | None
    pictures: dict[str, np.ndarray]
    perturbations: dict[str, np.ndarray]


def _attack_batch(work: _Work, functions: Functions, group: list[Prepared]) -> list[_Result]:
    """All epsilons of one batch, each warm-started from the one below."""
    config = work.config
    # The last batch may be short; its first slice fills it up, so that nothing compiles again.
    members = group + [group[0]] * (work.batch - len(group))
    data = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(member.data for member in members))
    # From the name, so that a slice's numbers depend neither on the order nor on the batch.
    seed = jax.random.key(config.seed)
    keys = jnp.stack([jax.random.fold_in(seed, zlib.crc32(member.name.encode())) for member in members])
    nothing = jnp.zeros(data.maps[:, 0].shape if config.norm == "image" else data.kspace.shape, data.kspace.dtype)
    clean = functions.evaluate(data, nothing, keys)
    begin = nothing
    outcomes: dict[float, _Outcome] = {}
    for eps in config.eps:
        found = functions.search(data, clean[0], jnp.float32(eps), begin, keys)
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
    work: _Work, prepared: Prepared, clean: tuple[Array, dict[str, Array]], outcomes: dict[float, _Outcome]
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
    flags = []
    if eps > 0 and one.found.gradient_norm == 0:
        flags.append("zero gradient")
    if eps > 0 and distance(one.attacked[0], reference) <= distance(one.noise[0], reference):
        flags.append("below noise")
    measured = {"norm": float(one.found.norm), "norm_kspace": float(one.found.norm_kspace), "flags": flags}
    return [
        common
        | {
            "metric": metric,
            "clean": float(clean[metric]),
            "noise": float(one.noise[1][metric]),
            "attacked": float(one.attacked[1][metric]),
        }
        | measured
        for metric in sorted(clean)
    ]


def _first_usable(source: sources.Source, config: RunConfig) -> Prepared:
    """The first slice that can be used, prepared; raises InputFileError where there is none."""
    reasons = []
    for read in source.readers.values():
        try:
            return prepare(read(), config)
        except (InputError, InputFileError) as error:
            reasons.append(str(error))
    raise InputFileError(reasons[0])


def _sampling(prepared: Prepared) -> str:
    samples, acceleration, centre = prepared.sampling
    total = prepared.data.mask.size
    unit = "lines" if prepared.data.mask.ndim == 1 else "samples"
    return f"{samples} of {total} {unit} ({acceleration:.2f} times accelerated), {centre} of them in a full centre"


def _batches(source: sources.Source, work: _Work, fail: Callable[[str, str], None]) -> Iterator[list[Prepared]]:
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


def _functions(work: _Work, calibration: tuple[int, int] | None) -> Functions:
    method = METHODS[work.config.method].build(work.method_config)
    params = method.init(jax.random.key(work.config.seed))
    return build(work.config, params, method, ATTACKS[work.config.attack].build(work.attack_config), calibration)


def _method_config(config: RunConfig) -> Any:
    """The method's configuration with --preset and --set applied."""
    method = METHODS[config.method]
    if config.preset is not None and config.preset not in method.presets:
        known = ", ".join(method.presets) or "none"
        raise UsageError(f"--preset {config.preset} is not one of {config.method}'s, which are: {known}")
    base = method.config() if config.preset is None else method.presets[config.preset]
    changes = {}
    for name, text in config.settings:
        known_names = [field.name for field in fields(base)]
        if name not in known_names:
            hint = did_you_mean(name, known_names) if known_names else "; it has none"
            raise UsageError(f"--set {name}: {config.method} has no such setting{hint}")
        kind = type(getattr(base, name))
        try:
            changes[name] = kind(text)
        except ValueError:
            raise UsageError(f"--set {name}={text}: needs {kind.__name__}") from None
    try:
        return replace(base, **changes)
    except ValueError as error:
        raise UsageError(f"--set: {error}") from error


def _attack_config(config: RunConfig) -> Any:
    entry = ATTACKS[config.attack]
    given: dict[str, Any] = {"n_steps": config.steps, "step_size": config.step_size, "restarts": config.restarts}
    return entry.config(**{field.name: given[field.name] for field in fields(entry.config)})


def _wavelet_notes(config: RunConfig, method_config: Any, shapes: list[tuple[int, int, int]]) -> list[str]:
    """What the wavelet does where it cannot halve a matrix."""
    if config.method != "l1" or method_config.basis != "wavelet":
        return []
    notes = []
    for ny, nx in sorted({shape[1:] for shape in shapes}):
        levels, grid = l1.wavelet_grid(method_config, (ny, nx))
        if levels < method_config.levels:
            notes.append(f"{ny} x {nx} is too small for {method_config.levels} wavelet levels; {levels} are used")
        if grid != (ny, nx):
            notes.append(f"{ny} x {nx} is padded to {grid[0]} x {grid[1]} for {levels} wavelet levels")
    return notes


def threat_model(config: RunConfig) -> dict[str, str]:
    """What the attacker may do and knows, in words."""
    radius = {
        "measured": "the norm of the measured entries, all coils together",
        "kspace": "the norm of the whole k-space, all coils together",
        "per_coil": "the norm of the measured entries of each coil, coil by coil",
        "image": "the norm of the true image",
    }[config.norm]
    domain = {
        "image": "the image, as seen through coils and mask",
        "kspace": "all of k-space, of which only measured entries act",
    }
    return {
        "domain": domain.get(config.norm, "the measured entries of k-space"),
        "norm": "l2",
        "epsilon": f"relative to {radius}",
        "knowledge": "the method, its settings, the mask, the coil maps and the "
        + ("true image" if config.target == "truth" else "clean output"),
        "maps": "estimated from the clean data" if config.maps == "fixed" else "re-estimated from the perturbed data",
        "goal": "largest squared distance of the image from the "
        + ("truth" if config.target == "truth" else "clean output"),
    }


def _headline(config: RunConfig, source: sources.Source, work: _Work) -> str:
    device = provenance.device()
    memory, seconds = estimate(source.shapes, config, work.method_config, work.attack_config, work.batch)
    eps = " ".join(f"{value:g}" for value in config.eps)
    return (
        f"{device['platform']} ({device['kind']}, {device['cores']} cores) | "
        f"{source.description}, {_count(len(source.readers))} | "
        f"{config.method} under {config.attack}, eps {eps} | about {memory / 1e9:.1f} GB and {seconds:.0f} s"
    )


def _count(n: int) -> str:
    return f"{n} image{'' if n == 1 else 's'}"


def _count_flags(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many (image, epsilon) pairs carry each flag."""
    pairs = {(row["case"], row["eps"]): row["flags"] for row in rows}
    names = sorted({flag for found in pairs.values() for flag in found})
    return {name: sum(name in found for found in pairs.values()) for name in names}
