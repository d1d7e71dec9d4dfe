"""One study of stability, from configuration to record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench.evaluate import subjects
from bench.plan.errors import InputFileError, UnsuitedError, UsageError, of_none
from bench.record import provenance
from bench.record.store import Store
from bench.run.life import beginning
from bench.slices import sources
from bench.slices.prepare import Prepared, prepare
from bench.slices.sources import Source
from bench.studies.begun import Before, Kind, folder_of
from bench.studies.ended import Done
from bench.studies.stability import perturbation, protocol, worlds
from bench.studies.stability.cast import Cast, casts
from bench.studies.stability.compared import is_complex
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.finish import finish
from bench.studies.stability.row_forms import RUN
from bench.studies.stability.units import Slice, record_all
from bench.studies.stability.worlds import COMPLEX, MAGNITUDE
from data_prep.cases import Case, InputError

KIND = Kind("bench.stability", RUN, StabilityConfig.from_dict, parts="parts")


def run(
    config: StabilityConfig,
    *,
    output: Path = Path("runs"),
    device: str = "auto",
    resume: Before[StabilityConfig] | None = None,
    argv: Sequence[str] = (),
) -> Done:
    """Carry out a study, as bench.stability does; for arguments and errors see `bench.studies.features.study.run`."""
    begun = time.monotonic()
    sources.check_device(device)
    if resume is not None:
        argv = resume.record["argv"]
    found, missing = casts(config)
    failed: dict[str, str] = {}
    slices: list[Slice] = []
    reasons: list[InputFileError] = []
    opened = [subjects.source_for(cast.config, cast.scored) for cast in found]
    for cast, source in zip(found, opened, strict=True):
        slices += _slices(cast, source, failed, reasons)
    if not slices:
        raise of_none(reasons)
    # The worlds of k-space differ in coils and masks, not in files; those of CT have phantoms of their own.
    words = "; ".join(dict.fromkeys(one.description for one in opened))
    source = opened[0]._replace(description=words)
    told = [note for one in opened for note in one.notes]
    told += [*missing, *protocol.differences(found, config), *_without_samples(found, config), *_magnitudes(found)]
    notes = list(dict.fromkeys([*told, *provenance.about_settings()]))
    described = {cast.name: _described(cast, config) for cast in found}
    images = len({one.usual.name for one in slices})
    record = beginning(config, described, argv, source, images, notes) | {"missing": missing}
    what = f"{', '.join(config.studies)}: {', '.join(cast.name for cast in found)}"

    def work(store: Store, record: dict[str, Any]) -> dict[str, Any]:
        record_all(config, slices, store)
        return finish(store, record, failed)

    return KIND.carry_out(folder_of(resume, output, "stability", config), record, what, begun, work)


def _slices(cast: Cast, source: Source, failed: dict[str, str], reasons: list[InputFileError]) -> list[Slice]:
    """The slices of a world, prepared; for the others, `failed` gets the reason, by name."""
    found: list[Slice] = []
    for name, case in zip(source.names, source.read(source.positions), strict=True):
        try:
            found.append(_slice(cast, case, pictured=not found))
        except InputFileError as error:
            failed[f"{name}|{cast.name}"] = str(error)
            reasons.append(error)
    return found


def _slice(cast: Cast, case: Case | InputError, *, pictured: bool) -> Slice:
    """A slice of a world with both of its samplings; raises InputFileError."""
    if isinstance(case, InputError):
        raise InputFileError(str(case)) from case
    if cast.world.phantom:
        usual = prepare(case, cast.config)
        _check_scan(cast, usual)
        return Slice(cast, usual, usual, pictured, partial(_with_views, cast, usual))
    if case.mask is not None:
        raise InputFileError(f"{case.name}: is already under-sampled; give whole k-space, of which masks are drawn")
    other = cast.world.symbols != cast.world.sampling.acceleration
    try:
        usual = prepare(case, cast.config)
        symbols = prepare(case, replace(cast.config, acceleration=cast.world.symbols)) if other else usual
    except UnsuitedError as error:
        # Its advice is about flags that this command does not have.
        raise InputFileError(
            f"{str(error).partition(';')[0]}; give images that fit the sampling of {cast.name}"
        ) from error
    _check_scan(cast, usual)
    return Slice(cast, usual, symbols, pictured)


def _with_views(cast: Cast, usual: Prepared, acceleration: float) -> Prepared:
    """The same slice with other views; raises InputFileError."""
    trained = cast.world.sampling.acceleration
    assert trained is not None
    views = max(1, round(usual.data.mask.shape[-1] * trained / acceleration))
    config = replace(cast.config, views=views)
    source = sources.open_source(config)
    (case,) = source.read([source.names.index(usual.name)])
    return prepare(case, config)


def _check_scan(cast: Cast, prepared: Prepared) -> None:
    """Raise UsageError if the weights are for another size or mask than those of the world."""
    problem = subjects.scan_problem(cast.tested.subject, prepared.data)
    if problem is not None:
        raise UsageError(f"--weights {cast.name}: {problem}; {worlds.training(cast.name)} makes others")


def _magnitudes(found: list[Cast]) -> list[str]:
    """A note for each world whose other methods cannot be compared as complex images."""
    said = []
    for cast in found:
        names = [one.label for one in cast.members if not is_complex(one.subject, cast.residual)]
        if cast.residual == COMPLEX and names:
            said.append(f"{cast.name}: gains of {', '.join(names)} are of magnitudes, and may be smaller for it")
    return said


def _without_samples(found: list[Cast], config: StabilityConfig) -> list[str]:
    """A note for each world whose method takes one mask."""
    if "samples" not in config.studies:
        return []
    return [
        f"{cast.name} is for one mask, and has no study of samples" for cast in found if not cast.world.accelerations
    ]


def _described(cast: Cast, config: StabilityConfig) -> dict[str, Any]:
    """The entry of a world in run.json."""
    weights = cast.tested.subject.trained
    return {
        "sampling": cast.world.sampling._asdict(),
        "symbols": cast.world.symbols,
        "accelerations": list(cast.world.accelerations),
        "target": cast.world.target,
        "compared": {
            one.label: COMPLEX if is_complex(one.subject, cast.residual) else MAGNITUDE for one in cast.members
        },
        "constants": asdict(perturbation.constants_of(cast, config)) | {"preset": protocol.preset_of(cast, config)},
        "pushes": perturbation.pushes_of(config),
        "members": {one.label: {"role": one.role, "config": asdict(one.subject.method_config)} for one in cast.members},
        "weights": None if weights is None else {"sha256": weights.sha256, "card": weights.card},
    }
