"""The stored perturbations of a run, scored again on this machine and compared with the record."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from bench.evaluate import subjects
from bench.evaluate.experiment import Functions
from bench.evaluate.subjects import Subject
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError
from bench.proof.facts import weights_of
from bench.proof.image import Score, scores_of
from bench.record.forms import shown
from bench.record.perturbations import Perturbations
from bench.record.record import Record
from bench.record.rows import Row
from bench.record.stored import Stored
from bench.run import batch_size
from bench.slices.case_list import phantom_numbers
from bench.slices.prepare import prepare
from bench.slices.sources import Source
from data_prep.progress import Progress


def rescore(record: Record, stored: Stored, data: str | None = None, weights: str | None = None) -> list[Score]:
    """Score the stored perturbations of a run again.

    Noise is not stored, so that its scores are not computed again.

    Args:
        record: a run with stored perturbations.
        stored: the same run with its configuration.
        data: path of the run's data, None for the path in its record.
        weights: file of the run's weights, None for that in its record.

    Returns:
        The scores of clean and attacked images, zero-filled ones included, and the norms of the perturbations.

    Raises:
        UsageError: a flag does not suit the run.
        InputFileError: data or weights are not those of the run, or a perturbation is missing or damaged.
    """
    config, victims, source = opened_here(record, stored, data, weights)
    rows: dict[str, list[Row]] = {}
    for row in record.rows:
        rows.setdefault(row.case, []).append(row)
    positions = {name: at for name, at in zip(source.names, source.positions, strict=True) if name in rows}
    scores: list[Score] = []
    compiled: dict[Any, Functions] = {}
    progress = Progress(len(positions), "images")
    with Perturbations(record.folder) as kept:
        for name, case in zip(positions, source.read(positions.values()), strict=True):
            scores += scores_of(config, prepare(case, config), rows[name], kept, victims, compiled)
            progress.advance(f"{sum(not score.same for score in scores)} of {len(scores)} scores differ")
    return scores


def opened_here(
    record: Record, stored: Stored, data: str | None, weights: str | None
) -> tuple[RunConfig, list[Subject], Source]:
    """Open the methods and the data of a run on this machine; for arguments and errors see `rescore`.

    Returns:
        The configuration, the methods that are scored, and the slices.
    """
    config = _here(stored.plan.config, data, weights)
    victims = subjects.victims(config, subjects.sources(config))
    source = subjects.source_for(config, victims)
    victims = [batch_size.within_memory(one, source.shapes, 1)[0] for one in victims]
    _check(record, config, victims, source)
    return config, victims, source


def _here(config: RunConfig, data: str | None, weights: str | None) -> RunConfig:
    """The configuration with data and weights of this machine, and without what only the search has used."""
    if data is not None and config.data is None:
        raise UsageError("--data: the run is of the built-in phantom; leave the flag out")
    if weights is not None and config.networks:
        names = ", ".join(name for name, _ in config.networks)
        raise UsageError(
            f"--weights: the run has several networks, {names}; put their files where its run.json has them"
        )
    # The record names the cases; the list of --only, which chose them, may be on another machine.
    limit = config.limit if config.only is None else None
    if config.data is None:
        limit = len(phantom_numbers(config.phantom))
    data, weights = data or config.data, weights or config.weights
    return replace(config.unsearched(), data=data, weights=weights, only=None, limit=limit)


def _check(record: Record, config: RunConfig, victims: list[Subject], source: Source) -> None:
    """Raise InputFileError if methods, weights or data are not those of the run."""
    run, known = record.run, {one.label: one for one in victims}
    lost = sorted({row.case for row in record.rows} - set(source.names))
    if lost:
        raise InputFileError(
            f"{config.data or 'the phantom'}: lacks {shown(lost[0])}, which the run has; name the run's data by --data"
        )
    for name, digest in run.data_sha256.items():
        if name in source.sha256 and source.sha256[name] != digest:
            raise InputFileError(
                f"{config.data}: {shown(name)} is not the file of the run (SHA-256); name the run's data by --data"
            )
    for label in {label for row in record.rows for label in (row.source, row.victim)}:
        if label not in known or label not in run.methods:
            raise InputFileError(f"{record.folder}: {shown(label)} is no method of this run's configuration")
        one, stated = known[label], run.methods[label]
        if weights_of(stated) != (None if one.trained is None else one.trained.sha256):
            raise InputFileError(
                f"{label}: its weights are not those of the run (SHA-256); name the run's weights by --weights"
            )
        settings = json.loads(json.dumps(asdict(one.method_config)))
        names = settings.keys() | stated["config"].keys()
        differ = sorted(shown(name) for name in names if settings.get(name) != stated["config"].get(name))
        if differ:
            raise InputFileError(
                f"{label}: its settings are not those of the run ({', '.join(differ)}); use the version of the run"
            )
