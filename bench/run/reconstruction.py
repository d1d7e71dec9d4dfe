"""The reconstruction of every slice of a source, clean and perturbed, written volume by volume."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from bench.evaluate import scan, subjects
from bench.evaluate.experiment import Functions
from bench.evaluate.sending import Batch, send
from bench.evaluate.subjects import Subject
from bench.findings import markdown
from bench.plan.config import Configuration, RunConfig
from bench.plan.errors import InputFileError
from bench.record import provenance
from bench.record.perturbations import Perturbations
from bench.record.records import RunFolder, check_new, writing
from bench.run import batch_size
from bench.run.batches import Halving, batches
from bench.run.describe import described, notes_of, sampling
from bench.run.estimate import estimate
from bench.run.executor import Work, functions_for
from bench.run.finish import count
from bench.run.first import Ready, first_usable, largest
from bench.run.life import beginning, say_notes
from bench.run.parallel import side_by_side
from bench.run.volumes import Volumes
from bench.slices import sources
from bench.slices.own_mask import settled
from bench.slices.prepare import Prepared
from data_prep.progress import Progress
from jaxcs.evaluate import control

RECORD = "reconstruction.json"
CLEAN = "clean"
# The entries of a method in the record, and the metrics that are printed.
_ENTRIES, _METRICS = ("method", "config", "maps", "weights"), {"psnr": "{:.2f}", "ssim": "{:.4f}", "nmse": "{:.4g}"}

# slices -> the perturbation (...) of each, or None if there is none of a slice.
_Delta: TypeAlias = Callable[[Batch], Sequence[Array | None]]


@dataclass(frozen=True)
class ReconstructionConfig(Configuration):
    """All that decides the images and their files.

    Attributes:
        run: the method, the data and their sampling, and the threat of the perturbations.
        noise: sizes of the noise, in units of the threat.
        perturbations: the run whose stored perturbations are added, or None.
        formats: names of the files' formats.
    """

    run: RunConfig
    noise: tuple[float, ...] = ()
    perturbations: str | None = None
    formats: tuple[str, ...] = ("h5",)

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as values that JSON can hold."""
        more = {"noise": self.noise, "perturbations": self.perturbations, "formats": self.formats}
        return self.run.to_dict() | more


class Version(NamedTuple):
    """A way in which every slice is reconstructed.

    Attributes:
        words: the way in words.
        delta: the perturbations of slices.
    """

    words: str
    delta: _Delta


class Image(NamedTuple):
    """A reconstructed image: (ty, tx) float32 in raw units, its scores by metric, and why it failed, or None."""

    pixels: np.ndarray
    scores: dict[str, float]
    failed: str | None = None


_UNPERTURBED = Image(np.empty(0), {}, "the run has no perturbation of this image")


def reconstruct(
    config: ReconstructionConfig, output: Path, device: str, argv: Sequence[str], batch: int | None = None
) -> dict[str, Any]:
    """Reconstruct all slices and write files and record; what it says on the way goes to standard error.

    Args:
        config: all that decides the images and their files.
        output: the folder, which must not exist.
        device: "auto", or the kind of device that must be there.
        argv: the command line.
        batch: slices at once, 0 for as many as the device's memory holds, None for what suits the device.

    Returns:
        The record.

    Raises:
        UsageError, InputFileError, OutputError, OutOfMemoryError: each with one line for the user.
    """
    begun = time.monotonic()
    check_new(output)  # before minutes of work
    sources.check_device(device)
    run = settled(config.run, argv)
    (subject,) = subjects.sources(run)
    source = subjects.source_for(run, [subject], truth=False)
    batch = batch or batch_size.automatic()
    subject, notes = batch_size.within_memory(subject, source.shapes, batch or 1)
    work = Work(run, [subject], [subject], batch or 1, False)
    with nullcontext() if config.perturbations is None else Perturbations(Path(config.perturbations)) as stored:
        if stored is not None:
            notes += _check(stored, source, subject)
        versions = _versions(run, config.noise, stored)
        print(_headline(work, source, versions), file=sys.stderr)
        # Flags that do not fit the data leave nothing behind.
        first, ready = first_usable(source, run)
        subjects.check_brought([], [subject], first.data)
        notes = [*notes_of(run, work, source), *notes, *(f"{first.name}: {doubt.text}" for doubt in first.doubts)]
        print(sampling(first), file=sys.stderr)
        say_notes(notes)
        if batch == batch_size.AUTO:
            work = work._replace(batch=batch_size.chosen(work, source.shapes, largest(source, run, ready)))
        with writing(output):
            output.mkdir(parents=True)
        record = beginning(config, {subject.label: _entry(subject)}, argv, source, source.total, notes)
        record |= {"versions_of_images": {name: one.words for name, one in versions.items()}}
        folder = RunFolder(output)
        folder.write_json(RECORD, record)
        words = {name: f"{subject.label}, {one.words}" for name, one in versions.items()}
        volumes = Volumes(output, config.formats, words, source, run.data)
        record |= _all(work, source, ready, versions, volumes, notes)
    record |= {"status": "done", "seconds": round(time.monotonic() - begun, 2), "volumes": volumes.written}
    record["notes"] = [*record["notes"], *volumes.notes]
    folder.write_json(RECORD, record)
    return record


def table(record: dict[str, Any]) -> str:
    """Format the mean scores of each version as Markdown; empty if there is no ground truth."""
    rows = []
    for name in record["versions_of_images"]:
        scores = [one for one in record["scores"] if one["version"] == name]
        if scores:
            means = (style.format(np.mean([one[metric] for one in scores])) for metric, style in _METRICS.items())
            rows.append([name, *means, str(len(scores))])
    return markdown.table(["version", *_METRICS, "images"], rows) if rows else ""


def _headline(work: Work, source: sources.Source, versions: dict[str, Version]) -> str:
    memory, seconds = estimate(source.shapes, work)
    used, words = provenance.device(), ", ".join(one.words for one in versions.values())
    return (
        f"{used['platform']} ({used['kind']}, {used['cores']} cores) | {source.description}, "
        f"{count(len(source.names))} | {work.sources[0].label}, {words} | "
        f"about {memory / 1e9:.1f} GB and {seconds * len(versions):.0f} s"
    )


def _entry(subject: Subject) -> dict[str, Any]:
    """The method as the record has it."""
    entry = json.loads(json.dumps(described(subject)))
    return {name: entry[name] for name in _ENTRIES}


def _check(stored: Perturbations, source: sources.Source, subject: Subject) -> list[str]:
    """A note for each method that perturbations were made for, if it is another; refuses those of other data."""
    folder, now = stored.record.folder, _entry(subject)
    if stored.record.run.data_sha256 != source.sha256:
        raise InputFileError(f"{folder}: its data are no longer those of its perturbations; put them back")
    made_for = {label: stored.record.methods.get(label, {}) for label in dict.fromkeys(one for one, _ in stored.found)}
    return [
        f"the perturbations of {folder} were made for {label}, but with other settings or weights than these"
        if label == subject.label
        else f"the perturbations of {folder} were made for {label}"
        for label, entry in made_for.items()
        if {name: entry.get(name) for name in _ENTRIES} != now
    ]


def _versions(run: RunConfig, noise: Sequence[float], stored: Perturbations | None) -> dict[str, Version]:
    """The versions by their names, the clean one first."""
    threat = scan.build(run, None)
    draw = jax.jit(jax.vmap(partial(control, threat), in_axes=(0, None, 0)))

    def random(eps: float, batch: Batch) -> list[Array]:
        keys = batch.keys
        if run.method_seed != "known":  # as the search draws
            keys = jax.vmap(partial(jax.random.fold_in, data=1))(keys)
        return list(draw(batch.data, jnp.float32(eps), keys))[: len(batch.members)]

    def attacked(source: str, eps: float, batch: Batch) -> list[Array | None]:
        assert stored is not None
        found: list[Array | None] = []
        for one in batch.members:
            kind = jax.eval_shape(threat.nothing, one.data)
            raw = stored.read(one.name, source, eps, kind.shape)
            found.append(None if raw is None else jnp.asarray(raw / scan.stored_unit(run, one.scale), kind.dtype))
        return found

    def nothing(batch: Batch) -> list[Array]:
        kind = jax.eval_shape(threat.nothing, batch.members[0].data)
        return [jnp.zeros(kind.shape, kind.dtype)] * len(batch.members)

    found = {CLEAN: Version("clean", nothing)}
    for eps in noise:
        found[f"noise-{eps:g}"] = Version(f"with noise of epsilon {eps:g}", partial(random, eps))
    if stored is not None:
        single_source = len({source for source, _ in stored.found}) == 1
        for source, eps in stored.found:
            name = "attacked" if single_source else re.sub(r"[^\w.]+", "-", f"attacked-{source}")
            words = f"attacked for {source} with epsilon {eps:g}"
            found[f"{name}-{eps:g}"] = Version(words, partial(attacked, source, eps))
    return found


def _all(
    work: Work, source: sources.Source, ready: Ready, versions: dict[str, Version], volumes: Volumes, notes: list[str]
) -> dict[str, Any]:
    """Reconstruct every slice; returns the entries of the record that tell of it, with all notes."""
    failed: dict[str, str] = {}
    scores: list[dict[str, Any]] = []
    samplings: dict[str, Any] = {}
    compiled: dict[Any, Functions] = {}
    (subject,) = work.sources
    progress = Progress(len(source.names), "images")

    def fail(name: str, reason: str) -> None:
        failed[name] = reason
        volumes.add(name, None, {})
        progress.advance(f"{name} failed")

    def compute(batch: Batch) -> list[dict[str, Image]]:
        functions = functions_for(compiled, None, subject, batch.members)
        staged = functions.stage(batch.data)
        by_version = {name: _images(functions, staged, batch, one) for name, one in versions.items()}
        return [{name: images[index] for name, images in by_version.items()} for index in range(len(batch.members))]

    def sent(members: list[Prepared], size: int) -> Batch:
        return send(members, size, subject.config.seed, None)

    def note(text: str) -> None:
        say_notes([text])
        notes.append(text)

    def each() -> Iterator[tuple[Prepared, dict[str, Image]]]:
        groups = batches(source, work.config, work.batch, fail, ready)
        halving = Halving(sent, compute, work.batch, note)
        for group, found in side_by_side(halving, halving.ahead(groups)):
            yield from zip(group, found, strict=True)

    for prepared, images in each():
        name, shape = prepared.name, prepared.data.maps.shape
        samplings[name] = prepared.described()
        usable = {}
        for version, image in images.items():
            if image.failed is None:
                usable[version] = image.pixels
            else:
                failed[f"{name}, {version}"] = f"{name}, {versions[version].words}: {image.failed}"
            if image.scores:
                scores.append({"case": name, "version": version} | image.scores)
        volumes.add(name, (shape[1], shape[2]), usable)
        progress.advance(f"{name} done")
    return {"failed": failed, "scores": scores, "sampling": samplings, "runtime": {"batch": work.batch}, "notes": notes}


def _images(functions: Functions, staged: Any, batch: Batch, version: Version) -> list[Image]:
    """The images of all slices of a batch."""
    deltas = version.delta(batch)
    known = next((delta for delta in deltas if delta is not None), None)
    if known is None:
        return [_UNPERTURBED] * len(deltas)
    # A short batch is filled up, as its data are.
    given = [*deltas, *[None] * (batch.size - len(deltas))]
    filled = jnp.stack([jnp.zeros_like(known) if delta is None else delta for delta in given])[:, None]
    found = jax.tree.map(np.asarray, functions.evaluate(batch.data, staged, filled, batch.keys))
    images = []
    for index, (prepared, delta) in enumerate(zip(batch.members, deltas, strict=True)):
        pixels = found.image[index, 0].astype(np.float32) * np.float32(prepared.scale)
        scores = {name: float(score[index, 0]) for name, score in found.scores.items()}
        if delta is None:
            images.append(_UNPERTURBED)
        elif not np.isfinite(pixels).all():
            images.append(Image(pixels, {}, "the image is not finite"))
        else:
            images.append(Image(pixels, scores if np.isfinite(prepared.data.target).all() else {}))
    return images
