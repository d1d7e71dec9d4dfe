"""One run from configuration to record."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.figures import overview, transfer
from bench.harness import methods, provenance, sources, subjects
from bench.harness.campaign import Work, attack_all
from bench.harness.config import RunConfig
from bench.harness.errors import DONE, SOME_FAILED, InputFileError, Interrupted
from bench.harness.estimate import estimate
from bench.harness.evidence import not_checked
from bench.harness.findings import findings
from bench.harness.like import LIKE
from bench.harness.prepare import Prepared, prepare
from bench.harness.records import FLAGS, SCHEMA_VERSION, RunFolder, summarise
from bench.harness.subjects import Subject
from bench.harness.table import render
from bench.report import write_report
from data_prep.cases import InputError
from jaxcs.attacks import ATTACKS
from jaxcs.attacks.changes import CHANGES
from jaxcs.recon import l1

# What the attack knows of the random network of an un-trained method.
_SEED = {"known": "; and the random seed of the network", "fresh": ", but not the random seed of the network"}


def run(config: RunConfig, arguments: Namespace, argv: list[str]) -> tuple[dict[str, Any] | None, int]:
    """Carry out a run.  Returns the content of run.json (None for --dry-run) and the exit code."""
    begun = time.monotonic()
    sources.check_device(arguments.device)
    attacked = subjects.sources(config)
    work = Work(config, attacked, subjects.victims(config, attacked), arguments.batch, arguments.save_perturbations)
    source = sources.open_source(config, work.victims)
    notes = _notes(config, work, source)
    print(_headline(config, source, work), file=sys.stderr)
    # Before a folder is made, so that flags that do not fit the data leave nothing behind.
    print(f"mask {config.mask}: {_sampling(_first_usable(source, config))}", file=sys.stderr)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if arguments.dry_run:
        return None, DONE
    folder = RunFolder.create(
        Path(arguments.output), config.method.replace(":", "-"), config.fingerprint(), datetime.now()
    )
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "config": config.to_dict(),
        "methods": {one.label: _described(one) for one in work.victims},
        "threat_model": threat_model(work),
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
        "thermal": done.thermal,
        "failed": done.failures,
        "flags": _count_flags(done.rows),
        "not_checked": not_checked(
            bool(config.victims), config.check, min(getattr(one.attack.config, "restarts", 1) for one in attacked)
        ),
        "gradient_evaluations": len(done.samplings) * work.gradient_evaluations(),
        "seconds": round(time.monotonic() - begun, 2),
        "summary": summarise(done.rows),
        "findings": findings(done.rows),
    }
    folder.write_summary(record["summary"])
    folder.write_json("run.json", record)
    if done.rows:
        folder.write("figure.png", overview.draw(folder.path))
        if config.victims:
            folder.write("transfer.png", transfer.draw(folder.path))
        folder.write("report.html", write_report(folder.path))
    if done.rows and not arguments.json:
        print(render(record["summary"]))
        print(*record["findings"], sep="\n")
    print(
        f"{_count(len(done.samplings))} in {record['seconds']:.0f} s; record and report in {folder.path}",
        file=sys.stderr,
    )
    for reason in done.failures.values():
        print(f"failed: {reason}", file=sys.stderr)
    return record, SOME_FAILED if done.failures else DONE


def _described(subject: Subject) -> dict[str, Any]:
    """A method as run.json has it: with all that decides its numbers."""
    trained = subject.trained
    return {
        "method": subject.config.method,
        "config": asdict(subject.method_config),
        "attack": subject.attack.name,
        "attack_config": asdict(subject.attack.config),
        "maps": subject.config.maps,
        "weights": None if trained is None else {"sha256": trained.sha256, "card": trained.card},
    }


def _notes(config: RunConfig, work: Work, source: sources.Source) -> list[str]:
    found = list(source.notes)
    for one in work.victims:
        found += _wavelet_notes(one.config, one.method_config, source.shapes)
        found += methods.notes(one.config, one.trained, source.shapes)
    if config.like is not None:
        found += [f"like {config.like}: {sentence}" for sentence in LIKE[config.like].differs]
    return list(dict.fromkeys(found))


def _first_usable(source: sources.Source, config: RunConfig) -> Prepared:
    """The first slice that can be used, prepared; raises InputFileError where there is none."""
    reasons = []
    for case in source.cases():
        if isinstance(case, InputError):
            reasons.append(str(case))
            continue
        try:
            return prepare(case, config)
        except InputFileError as error:
            reasons.append(str(error))
    raise InputFileError(reasons[0])


def _sampling(prepared: Prepared) -> str:
    samples, acceleration, centre = prepared.sampling
    total = prepared.data.mask.size
    unit = "lines" if prepared.data.mask.ndim == 1 else "samples"
    return f"{samples} of {total} {unit} ({acceleration:.2f} times accelerated), {centre} of them in a full centre"


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


def threat_model(work: Work) -> dict[str, str]:
    """What the attacker may do and knows, in words; of several methods, what holds of each."""
    config = work.config
    each: dict[str, dict[str, list[str]]] = {}
    for one in work.sources:
        for name, words in _threat_model(one).items():
            each.setdefault(name, {}).setdefault(words, []).append(one.label)
    return {
        name: next(iter(found)) if len(found) == 1 else "; ".join(f"{', '.join(who)}: {w}" for w, who in found.items())
        for name, found in each.items()
    } | ({} if config.region is None else {"region": _region(config)})


def _region(config: RunConfig) -> str:
    assert config.region is not None
    row, column, rows, columns = config.region
    return (
        f"scores are of rows {row} to {row + rows - 1} and columns {column} to {column + columns - 1}; the attack "
        + ("looks at them alone" if config.aim == "region" else "looks at the whole image")
    )


def _threat_model(subject: Subject) -> dict[str, str]:
    config = subject.config
    change = CHANGES.get(config.threat)
    if change is not None:
        domain, epsilon = f"the scan, changed by {config.threat}", f"the size of the change in {change.unit}"
    else:
        radius = {
            "measured": "the norm of the measured entries, all coils together",
            "kspace": "the norm of the whole k-space, all coils together",
            "per_coil": "the norm of the measured entries of each coil, coil by coil",
            "whitened": "the norm of the measured entries, both whitened by the coils' noise covariance",
            "image": "the norm of the true image",
        }[config.norm]
        domain = {
            "image": "the image, as seen through coils and mask",
            "kspace": "all of k-space, of which only measured entries act",
        }.get(config.norm, "the measured entries of k-space")
        epsilon = f"relative to {radius}"
    return {
        "domain": domain,
        "norm": "l2",
        "epsilon": epsilon,
        "knowledge": "the method, its settings, the mask, the coil maps and the "
        + ("true image" if config.target == "truth" else "clean output")
        + _SEED[config.method_seed] * subject.method.fitted,
        "maps": methods.without_maps(config, subject.method_config)
        or ("estimated from the clean data" if config.maps == "fixed" else "re-estimated from the perturbed data"),
        "goal": "smallest objective of the method less a share of the squared distance of its coil images from the true"
        if ATTACKS[subject.attack.name].sees == "objective"
        else "largest squared distance of the image from the "
        + ("truth" if config.target == "truth" else "clean output"),
    }


def _headline(config: RunConfig, source: sources.Source, work: Work) -> str:
    device = provenance.device()
    memory, seconds = estimate(source.shapes, work)
    eps = " ".join(f"{value:g}" for value in config.eps)
    attacked = ", ".join(one.label for one in work.sources)
    attacks = ", ".join(dict.fromkeys(one.attack.name for one in work.sources))
    return (
        f"{device['platform']} ({device['kind']}, {device['cores']} cores) | "
        f"{source.description}, {_count(len(source.names))} | "
        f"{attacked} under {attacks}, eps {eps} | about {memory / 1e9:.1f} GB and {seconds:.0f} s"
    )


def _count(n: int) -> str:
    return f"{n} image{'' if n == 1 else 's'}"


def _count_flags(rows: list[dict[str, Any]]) -> dict[str, int]:
    """How many (image, source, victim, epsilon) carry each flag."""
    found = {(row["case"], row["source"], row["victim"], row["eps"]): row["flags"] for row in rows}
    names = {flag for flags in found.values() for flag in flags}
    return {name: sum(name in flags for flags in found.values()) for name in FLAGS if name in names}
