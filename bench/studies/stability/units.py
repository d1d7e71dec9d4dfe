"""The work of a study in units; each is recorded as a whole, so that a stopped study is resumed at the next unit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from bench.plan.errors import InputFileError
from bench.record.store import Image, Store
from bench.slices.prepare import Prepared
from bench.studies.stability import perturbation, samples, structure, sweep
from bench.studies.stability.cast import COMPARATOR, Cast
from bench.studies.stability.config import StabilityConfig
from bench.studies.stability.one_image import Compiled, OneImage, Rows, Work, on
from bench.studies.stability.row_forms import LINES
from bench.studies.stability.worlds import PROJECTED, SINGULAR, start_of
from data_prep.cases import InputError
from data_prep.progress import Progress


class Slice(NamedTuple):
    """A slice of a world.

    Attributes:
        cast: the methods of the world.
        usual: the slice with the world's sampling.
        symbols: the slice with the sampling of the study of structure.
        pictured: whether its pictures are kept.
        at: acceleration -> the slice with this acceleration, for sinograms; those of k-space are given other masks.
    """

    cast: Cast
    usual: Prepared
    symbols: Prepared
    pictured: bool
    at: Callable[[float], Prepared] | None = None


class Unit(NamedTuple):
    """A part of the work.

    Attributes:
        name: its name, unique in the study.
        kind: kind of its rows.
        symbols: whether it uses the sampling of the study of structure.
        work: computes its rows and pictures.
    """

    name: str
    kind: str
    symbols: bool
    work: Callable[[OneImage], Work]


def record_all(config: StabilityConfig, slices: list[Slice], store: Store) -> None:
    """Do every unit that the store does not have."""
    planned = [(one, list(units(config, one, store))) for one in slices]
    positions = {unit.name: place for place, unit in enumerate(unit for _, own in planned for unit in own)}
    done = store.done()
    progress = Progress(len(positions) - len(done), "parts")
    compiled: Compiled = {}
    world = None
    for one, own in planned:
        if one.cast.name != world:
            world, compiled = one.cast.name, {}  # functions of a world are no use to the next
        constants, steps = perturbation.constants_of(one.cast, config), perturbation.pushes_of(config)
        context: dict[bool, OneImage] = {}
        for unit in own:
            if positions[unit.name] in done:
                continue
            if unit.symbols not in context:
                prepared = one.symbols if unit.symbols else one.usual
                context[unit.symbols] = on(one.cast, prepared, compiled, constants, steps)
            _record(store, positions[unit.name], unit, context[unit.symbols], pictured=one.pictured)
            progress.advance(unit.name)


def units(config: StabilityConfig, one: Slice, store: Store) -> Iterator[Unit]:
    """Yield the units of one slice, in order; the perturbation of the comparator needs those before it."""
    begin = f"{one.usual.name}|{one.cast.name}"
    labels = {member.label: member.role for member in one.cast.members}
    tested = one.cast.tested.label
    for label in labels:
        score = partial(perturbation.clean, label=label, linear="perturbation" in config.studies)
        yield Unit(f"{begin}|clean {label}", "clean", False, score)
    if "perturbation" in config.studies:
        constants, steps = perturbation.constants_of(one.cast, config), perturbation.pushes_of(config)
        ascent = f"{begin}|{one.cast.world.ascent}"
        yield Unit(ascent, "perturbation", False, partial(perturbation.climbed, constants=constants))
        rivals = [tested, *(label for label, role in labels.items() if role == COMPARATOR)]
        for label in rivals:
            name = f"{begin}|{PROJECTED} on {label}"
            yield Unit(name, "perturbation", False, _pushed(label, ascent, steps, store))
        for point in sweep.points(constants) if config.sweep else []:
            work = partial(sweep.swept, constants=constants, point=point)
            yield Unit(f"{begin}|sweep, {point.name}", "sweep", False, work)
        if one.cast.world.phantom:
            name = f"{begin}|{SINGULAR} of {start_of(one.cast.name).method}"
            yield Unit(name, "perturbation", False, _of_start(ascent, store))
    if "structure" in config.studies:
        yield Unit(f"{begin}|structure", "structure", True, structure.shown)
    if "samples" in config.studies:
        for acceleration in sorted(one.cast.world.accelerations, reverse=True):
            yield Unit(f"{begin}|samples {acceleration:g}", "samples", False, _sampled(one, acceleration))


def _sampled(one: Slice, acceleration: float) -> Callable[[OneImage], Work]:
    if one.at is None:
        return lambda context: samples.sampled(context, acceleration)
    at = one.at
    return lambda context: samples.of_views(context, acceleration, at(acceleration).data)


def _pushed(label: str, before: str, steps: int, store: Store) -> Callable[[OneImage], Work]:
    return lambda context: perturbation.pushed(context, label, _norm_of(before, store), steps)


def _of_start(before: str, store: Store) -> Callable[[OneImage], Work]:
    return lambda context: perturbation.worst_of_start(context, _norm_of(before, store))


def _norm_of(before: str, store: Store) -> float:
    """The norm that the ascent has found, from the record of its unit."""
    lines = store.read(LINES).lines["images.jsonl"]
    first: Rows = [row for row in lines if row["case"] == before]
    if any("failed" in row for row in first):
        raise InputFileError(f"{before}: the perturbation that this follows has failed")
    return perturbation.tested_norm(first)


def _record(store: Store, position: int, unit: Unit, context: OneImage, *, pictured: bool) -> None:
    """Write a unit's results to disk; `pictured` if its pictures are kept."""
    prepared, world = context.prepared, context.cast.name
    try:
        rows, pictures = unit.work(context)
    except (InputError, InputFileError) as error:
        store.write(Image(position, unit.name, str(error)), [{"case": unit.name, "failed": str(error)}])
        return
    broken = next((row["method"] for row in rows if not _finite(row)), None)
    if broken is not None:
        reason = f"{prepared.name}: {broken} gave an image that is not finite ({unit.name})"
        store.write(Image(position, unit.name, reason), [{"case": unit.name, "failed": reason}])
        return
    common = {"case": unit.name, "image": prepared.name, "volume": prepared.volume, "world": world, "kind": unit.kind}
    shown = pictures if pictured else {}
    named = {f"{world}|{key}": np.asarray(picture, np.float16) for key, picture in shown.items()}
    store.write(Image(position, unit.name), [common | row for row in rows], pictures=named, all_pictures=True)


def _finite(row: dict[str, object]) -> bool:
    """Whether the image of a row is finite."""
    scores = (row.get(name) for name in ("psnr", "gain", "error"))
    return not any(isinstance(score, float) and math.isnan(score) for score in scores)
