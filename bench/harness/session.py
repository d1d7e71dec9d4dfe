"""One run from configuration to record."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import overview
from bench.harness import methods, provenance, sources
from bench.harness.campaign import Work, attack_all
from bench.harness.config import RunConfig
from bench.harness.errors import DONE, SOME_FAILED, InputFileError, Interrupted, UsageError
from bench.harness.estimate import estimate
from bench.harness.prepare import Prepared, prepare
from bench.harness.records import SCHEMA_VERSION, RunFolder, summarise
from bench.harness.table import render
from bench.report import write_report
from data_prep.cases import InputError
from jaxcs.attacks import ATTACKS, two_step
from jaxcs.recon import METHODS, l1

# What the attack knows of the random network of an un-trained method.
_SEED = {"known": "; and the random seed of the network", "fresh": ", but not the random seed of the network"}


def run(config: RunConfig, arguments: Namespace, argv: list[str]) -> tuple[dict[str, Any] | None, int]:
    """Carry out a run.  Returns the content of run.json (None for --dry-run) and the exit code."""
    begun = time.monotonic()
    sources.check_device(arguments.device)
    trained = methods.weights(config)
    method_config = methods.configuration(config, trained)
    params = {} if trained is None else trained.params
    work = Work(config, method_config, params, _attack_config(config), arguments.batch, arguments.save_perturbations)
    source = sources.open_source(config)
    notes = list(source.notes) + _wavelet_notes(config, method_config, source.shapes)
    notes += methods.notes(config, trained, source.shapes)
    print(_headline(config, source, work), file=sys.stderr)
    # Before a folder is made, so that flags that do not fit the data leave nothing behind.
    print(f"mask {config.mask}: {_sampling(_first_usable(source, config))}", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if arguments.dry_run:
        return None, DONE
    folder = RunFolder.create(Path(arguments.output), config.method, config.fingerprint(), datetime.now())
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_dict(),
        "method_config": asdict(work.method_config),
        "attack_config": asdict(work.attack_config),
        "threat_model": threat_model(config, method_config),
        "argv": argv,
        "versions": provenance.versions(),
        "git": provenance.git_state(),
        "device": provenance.device(),
        "data": source.description,
        "data_sha256": source.sha256,
        "weights": None if trained is None else {"sha256": trained.sha256, "card": trained.card},
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "status": "running",
    }
    folder.write_json("run.json", record)
    try:
        done = attack_all(work, source, folder)
    except BaseException as error:
        stopped = "interrupted" if isinstance(error, KeyboardInterrupt | Interrupted) else "failed"
        folder.write_json("run.json", record | {"status": stopped})
        print(f"what was done until then is in {folder.path}", file=sys.stderr)
        raise
    record |= {
        "status": "done",
        "folder": str(folder.path),
        "notes": notes,
        "sampling": done.samplings,
        "failed": done.failures,
        "flags": _count_flags(done.rows),
        "gradient_evaluations": len(done.samplings) * len(config.eps) * work.gradients_per_epsilon(),
        "seconds": round(time.monotonic() - begun, 2),
        "summary": summarise(done.rows),
    }
    folder.write_summary(record["summary"])
    folder.write_json("run.json", record)
    if done.rows:
        folder.write("figure.png", overview.draw(folder.path))
        folder.write("report.html", write_report(folder.path))
    if done.rows and not arguments.json:
        print(render(record["summary"]))
    print(
        f"{_count(len(done.samplings))} in {record['seconds']:.0f} s; record and report in {folder.path}",
        file=sys.stderr,
    )
    for reason in done.failures.values():
        print(f"failed: {reason}", file=sys.stderr)
    return record, SOME_FAILED if done.failures else DONE


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


def _attack_config(config: RunConfig) -> Any:
    entry, method = ATTACKS[config.attack], METHODS[config.method]
    if config.method_seed == "fresh" and not method.fitted:
        raise UsageError(f"--method-seed fresh: {config.method} draws nothing at random; leave the flag out")
    if entry.sees == "objective":
        if method.variational is None:
            raise UsageError(f"--attack {config.attack}: {config.method} minimises no objective; use pgd")
        kind = "untrained" if method.fitted else config.method
        return two_step.PRESETS[kind if config.attack_preset == "bounded" else f"{kind}_published"]
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


def threat_model(config: RunConfig, method_config: Any) -> dict[str, str]:
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
        + ("true image" if config.target == "truth" else "clean output")
        + _SEED[config.method_seed] * METHODS[config.method].fitted,
        "maps": methods.without_maps(config, method_config)
        or ("estimated from the clean data" if config.maps == "fixed" else "re-estimated from the perturbed data"),
        "goal": "smallest objective of the method less a share of the squared distance of its coil images from the true"
        if ATTACKS[config.attack].sees == "objective"
        else "largest squared distance of the image from the "
        + ("truth" if config.target == "truth" else "clean output"),
    }


def _headline(config: RunConfig, source: sources.Source, work: Work) -> str:
    device = provenance.device()
    memory, seconds = estimate(source.shapes, work)
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
