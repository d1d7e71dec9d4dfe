"""A run in words: its headline, its notes, its methods and its threat model."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bench.evaluate import methods
from bench.evaluate.subjects import Subject
from bench.plan.config import BESIDE, RunConfig
from bench.plan.like import LIKE
from bench.plan.shards import WHOLE
from bench.record import provenance
from bench.record.stored import Plan
from bench.run.executor import Work
from bench.run.finish import count
from bench.slices.prepare import Prepared
from bench.slices.shifting import in_words
from bench.slices.sources import Source
from jaxcs.attacks.losses import LOSSES
from jaxcs.recon import l1
from jaxcs.threats import CHANGES, NORMS

# The attack's knowledge of what a method draws at random.
_SEED = {"known": "; and the random seed of {}", "fresh": ", but not the random seed of {}"}


def headline(plan: Plan, source: Source, work: Work, memory: float, seconds: float) -> str:
    """Say device, data, methods and attacks, and what they take: memory [bytes] and time [s]."""
    config, device = plan.config, provenance.device()
    part = "" if plan.shard == WHOLE else f", part {plan.shard} of {source.total}"
    eps = " ".join(f"{value:g}" for value in config.eps)
    attacked = ", ".join(one.label for one in work.sources)
    attacks = ", ".join(dict.fromkeys(one.attack.name for one in work.sources))
    batch = "" if plan.batch == 1 else f", batch {plan.batch or 'auto'}"
    return (
        f"{device['platform']} ({device['kind']}, {device['cores']} cores) | "
        f"{source.description}, {count(len(source.names))}{part}{batch} | "
        f"{attacked} under {attacks}, eps {eps} | about {memory / 1e9:.1f} GB and {seconds:.0f} s"
    )


def sampling(prepared: Prepared) -> str:
    """Say the mask of a slice, and the share that its coil maps leave out; or the views of a sinogram."""
    samples, acceleration, centre = prepared.sampling
    if prepared.is_sinogram:
        return f"sinogram of {samples} views by {len(prepared.data.mask)} detectors"
    total = prepared.data.mask.size
    unit = "lines" if prepared.data.mask.ndim == 1 else "samples"
    maps = "" if prepared.left_out is None else f"; the coil maps leave out {prepared.left_out:.1%} of its energy"
    return (
        f"mask {prepared.mask}: {samples} of {total} {unit} ({acceleration:.2f} times accelerated), {centre} of them "
        f"in a full centre{maps}"
    )


def notes_of(config: RunConfig, work: Work, source: Source) -> list[str]:
    """Make notes on the data, the settings and the methods of a run, a sentence each."""
    found = [*source.notes, *provenance.about_settings()]
    for one in work.victims:
        found += _wavelet_notes(one.config, one.method_config, source.shapes)
        named = "" if one.label == one.config.method else f"{one.label}: "
        found += [named + note for note in methods.notes(one.config, one.trained, source.shapes)]
    if config.like is not None:
        found += [f"like {config.like}: {sentence}" for sentence in LIKE[config.like].differs]
    return list(dict.fromkeys(found))


def _wavelet_notes(config: RunConfig, method_config: Any, shapes: list[tuple[int, int, int]]) -> list[str]:
    """Note on the levels of a wavelet if it cannot halve a matrix."""
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


def described(subject: Subject) -> dict[str, Any]:
    """Describe a method as run.json has it: with all that decides its numbers."""
    trained = subject.trained
    return {
        "method": subject.config.method,
        "config": asdict(subject.method_config),
        "attack": subject.attack.name,
        "attack_config": asdict(subject.attack.config),
        "maps": methods.without_maps(subject.config, subject.method_config) or subject.config.maps,
        "weights": None if trained is None else {"sha256": trained.sha256, "card": trained.card},
    }


def threat_model(work: Work) -> dict[str, str]:
    """Say the attacker's means and knowledge; for several methods, for each of them."""
    config = work.config
    each: dict[str, dict[str, list[str]]] = {}
    for one in work.sources:
        for name, words in _threat_model(one).items():
            each.setdefault(name, {}).setdefault(words, []).append(one.label)
    return (
        {
            name: next(iter(found))
            if len(found) == 1
            else "; ".join(f"{', '.join(who)}: {w}" for w, who in found.items())
            for name, found in each.items()
        }
        | ({} if config.region is None else {"region": _region(config)})
        | _shift(config)
    )


def _shift(config: RunConfig) -> dict[str, str]:
    """The shifts of the scans that are attacked; they are no part of the threat."""
    return {"shift": f"every scan is shifted before all else: {in_words(config.shift)}"} if config.shift else {}


def _region(config: RunConfig) -> str:
    assert config.region is not None
    where = "the boxes that were drawn in each image"
    if config.region == BESIDE:
        where = "boxes of the same sizes beside those that were drawn in each image"
    if isinstance(config.region, tuple):
        row, column, rows, columns = config.region
        where = f"rows {row} to {row + rows - 1} and columns {column} to {column + columns - 1}"
    looks = "looks at them alone" if config.aim == "region" else "looks at the whole image"
    return f"scores are of {where}; the attack {looks}"


def _threat_model(subject: Subject) -> dict[str, str]:
    config = subject.config
    change = CHANGES.get(config.threat)
    if change is not None:
        domain, epsilon = f"the scan, changed by {config.threat}", f"the size of the change in {change.unit}"
    else:
        noise = NORMS[config.norm]
        domain, epsilon = noise.domain, f"relative to {noise.radius}"
        if config.sinograms:
            domain, epsilon = (words.replace("entries of k-space", "sinogram") for words in (domain, epsilon))
    return {
        "domain": domain,
        "norm": "l2",
        "epsilon": epsilon,
        "knowledge": "the method, its settings, the mask, the coil maps and the "
        + ("true image" if config.target == "truth" else "clean output")
        + _seed(subject),
        "maps": methods.without_maps(config, subject.method_config)
        or ("estimated from the clean data" if config.maps == "fixed" else "re-estimated from the perturbed data"),
        "goal": "smallest objective of the method less a share of the squared distance of its coil images from the true"
        if subject.attack.kind.sees == "objective"
        else f"largest {LOSSES[config.loss].goal} of the image against the "
        + ("truth" if config.target == "truth" else "clean output")
        + ("" if config.stealth is None else f", at a loss of SSIM of the whole image of at most {config.stealth:g}"),
    }


def _seed(subject: Subject) -> str:
    drawn = subject.method.random
    return "" if drawn is None else _SEED[subject.config.method_seed].format(drawn)
