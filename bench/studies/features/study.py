"""One study, from configuration to record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from bench.evaluate import subjects
from bench.evaluate.subjects import Subject
from bench.plan.errors import InputFileError, UsageError, of_none
from bench.record import provenance
from bench.record.store import Store
from bench.run.life import beginning
from bench.slices import sources
from bench.slices.own_mask import settled
from bench.slices.prepare import prepare
from bench.slices.sources import Source
from bench.studies.begun import Before, Kind, folder_of
from bench.studies.ended import Done
from bench.studies.features.claims import AGAIN
from bench.studies.features.config import FeatureConfig
from bench.studies.features.finish import finish
from bench.studies.features.row_forms import RUN
from bench.studies.features.units import Slice, count, record_all
from data_prep.cases import Case, InputError

KIND = Kind("bench.features", RUN, FeatureConfig.from_dict, parts="groups of places")
# Figure 16 of the ICML 2021 paper: optimisers of ConvDecoder's fit.  Among the descent's rates 0.3, 3, 30 and 300, this
# rate is the best after 600 steps on a training knee (SSIM 0.600, 0.669, 0.635, 0.537).  For the smooth Adam, 0.005,
# 0.01 and 0.02 are alike (0.660, 0.665, 0.669).
LEARNING_RATES = {"adam": 0.01, "smooth_adam": 0.01, "rising_descent": 3.0}


def run(
    config: FeatureConfig,
    *,
    output: Path = Path("runs"),
    device: str = "auto",
    resume: Before[FeatureConfig] | None = None,
    argv: Sequence[str] = (),
) -> Done:
    """Carry out a study, as bench.features does; messages go to stderr.

    Args:
        config: settings of the study.
        output: parent of the study's folder.
        device: "auto", or the kind of device that must be there.
        resume: a study of this configuration to resume in its folder, or None for a new study.
        argv: the command line, for the record.

    Returns:
        The finished study.

    Raises:
        RunError: the study cannot be carried out, in one line for the user.
    """
    begun = time.monotonic()
    sources.check_device(device)
    if resume is None:
        config = replace(config, base=settled(config.base, argv))
    else:
        argv = resume.record["argv"]
    methods = subjects_of(config)
    source = subjects.source_for(config.base, methods)
    failed: dict[str, str] = {}
    slices = _slices(config, source, failed)
    notes = [*source.notes, *provenance.about_settings(), *_doubts(slices)]
    described = {one.label: _described(one) for one in methods}
    record = beginning(config, described, argv, source, len(slices), notes)
    names = ", ".join(one.label for one in methods)
    what = f"{config.study}: {names}, {count(config, slices, methods)} reconstructions"

    def work(store: Store, record: dict[str, Any]) -> dict[str, Any]:
        record_all(config, methods, slices, store)
        return finish(store, record, failed)

    return KIND.carry_out(folder_of(resume, output, f"features-{config.study}", config), record, what, begun, work)


def subjects_of(config: FeatureConfig) -> list[Subject]:
    """Return the methods of a study, each with its label in the records.

    Raises:
        UsageError: the study cannot be done with these methods.
        InputFileError: their weights cannot be used.
    """
    found = subjects.victims(config.base, subjects.sources(config.base))
    if config.study == "worst" and any(one.method.fitted for one in found):
        raise UsageError("--study worst: the gradient through an un-trained fit says too little; name other methods")
    if config.study != "optimisers":
        return found
    (only,) = found
    optimisers = [
        only._replace(label=name, method_config=replace(only.method_config, optimiser=name, learning_rate=rate))
        for name, rate in LEARNING_RATES.items()
    ]
    again = replace(only.config, seed=only.config.seed + 1)
    return [*optimisers, optimisers[0]._replace(label=f"{optimisers[0].label}{AGAIN}", config=again)]


def _slices(config: FeatureConfig, source: Source, failed: dict[str, str]) -> list[Slice]:
    """The slices of a study, prepared; for the others, `failed` gets the reason, by name.

    Raises InputFileError or UsageError if no slice can be used.
    """
    positions = source.positions
    if config.study in ("map", "worst", "optimisers"):
        if config.image >= source.total:
            raise UsageError(f"--image {config.image}: {source.description} has {source.total} images, from 0 on")
        positions = [config.image]
    names = dict(zip(source.positions, source.names, strict=True))
    found, reasons = [], []
    for position, case in zip(positions, source.read(positions), strict=True):
        try:
            one = _slice(config, case)
        except InputFileError as error:
            failed[names[position]] = str(error)
            reasons.append(error)
            continue
        found += [one] if one is not None else []
    if not found and reasons:
        raise of_none(reasons)
    if not found:
        raise InputFileError(f"--data {config.base.data}: no slice has a box; data_prep fastmri --boxes joins them")
    return found


def _slice(config: FeatureConfig, case: Case | InputError) -> Slice | None:
    """A slice of the study, None if it has no box and needs one; raises InputFileError."""
    if isinstance(case, InputError):
        raise InputFileError(str(case)) from case
    if config.study == "boxes" and not case.boxes:
        return None
    if config.study != "boxes" and case.mask is not None:
        raise InputFileError(
            f"{case.name}: is already under-sampled, so that no feature can be put into it; give whole k-space"
        )
    return Slice(prepare(case, config.base), case.boxes)


def _doubts(slices: list[Slice]) -> list[str]:
    """Doubts about the data, the first of each kind."""
    first: dict[str, str] = {}
    for one in slices:
        for doubt in one.prepared.doubts:
            first.setdefault(doubt.kind, f"{one.prepared.name}: {doubt.text}")
    return list(first.values())


def _described(one: Subject) -> dict[str, Any]:
    """The entry of a method in run.json."""
    trained = one.trained
    weights = None if trained is None else {"sha256": trained.sha256, "card": trained.card}
    return {"method": one.config.method, "config": asdict(one.method_config), "weights": weights}
