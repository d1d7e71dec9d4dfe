"""The work of a study in units; each is recorded as a whole, so that a stopped study is resumed at the next unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from bench.evaluate.subjects import Subject
from bench.record.store import Image, Store
from bench.run.parallel import side_by_side
from bench.slices.prepare import Prepared
from bench.studies.features.boxes import box_scores
from bench.studies.features.config import FeatureConfig
from bench.studies.features.functions import Functions
from bench.studies.features.one_slice import OneSlice, groups, prepare_slice
from bench.studies.features.places import places
from bench.studies.features.row_forms import LINES
from bench.studies.features.search import search
from data_prep.cases import Box
from data_prep.progress import Progress

Rows = list[dict[str, Any]]


class Slice(NamedTuple):
    """A slice of the study.

    Attributes:
        prepared: the slice.
        boxes: the boxes that were drawn in it.
    """

    prepared: Prepared
    boxes: tuple[Box, ...]


class Unit(NamedTuple):
    """A part of the work.

    Attributes:
        name: its name, unique in the study.
        work: computes its rows and pictures.
    """

    name: str
    work: Callable[[OneSlice], tuple[Rows, dict[str, np.ndarray]]]


def count(config: FeatureConfig, slices: list[Slice], subjects: list[Subject]) -> int:
    """Return the number of reconstructions of the whole study, except those of a search."""
    features = sum(len(places(config, one.prepared)) for one in slices if config.study != "boxes")
    return len(subjects) * (features + len(slices) * (1 + config.draws * (config.study != "boxes")))


def record_all(config: FeatureConfig, subjects: list[Subject], slices: list[Slice], store: Store) -> None:
    """Do every unit that the store does not have."""
    compiled: dict[Any, Functions] = {}
    planned = [
        (one, subject, _units(config, store, one, subject, first=index == 0))
        for one in slices
        for index, subject in enumerate(subjects)
    ]
    positions = {unit.name: i for i, unit in enumerate(unit for *_, units in planned for unit in units)}
    done = store.done()
    progress = Progress(len(positions) - len(done), "groups")
    for one, subject, units in planned:
        left = [unit for unit in units if positions[unit.name] not in done]
        if not left:
            continue
        context = prepare_slice(config, compiled, subject, one.prepared)
        # A search needs the whole map.
        searches = [unit for unit in left if unit.name.endswith("|search")]
        for part in ([unit for unit in left if unit not in searches], searches):
            run = partial(_worked, context)
            for unit, (rows, pictures) in zip(part, side_by_side(run, iter(part)), strict=True):
                _record(store, positions[unit.name], unit.name, one.prepared, subject.label, rows, pictures)
                progress.advance(f"{subject.label} on {one.prepared.name}")


def _worked(context: OneSlice, unit: Unit) -> tuple[Rows, dict[str, np.ndarray]]:
    return unit.work(context)


def _record(
    store: Store, position: int, name: str, prepared: Prepared, label: str, rows: Rows, pictures: dict[str, np.ndarray]
) -> None:
    """Write a unit's results to disk."""
    if not all(row.pop("finite", True) for row in rows):
        reason = f"{prepared.name}: {label} gave an image that is not finite"
        store.write(Image(position, name, reason), [{"case": name, "failed": reason}])
        return
    common = {"case": name, "image": prepared.name, "volume": prepared.volume, "method": label}
    kept = {key: np.asarray(picture, np.float16) for key, picture in pictures.items()}
    store.write(Image(position, name), [common | row for row in rows], pictures=kept, all_pictures=True)


def _units(config: FeatureConfig, store: Store, one: Slice, subject: Subject, first: bool) -> list[Unit]:
    """The units of one slice and method, in order; the `first` method also keeps the truth."""
    prepared, label = one.prepared, subject.label
    begin = f"{prepared.name}|{label}"

    def clean(context: OneSlice) -> tuple[Rows, dict[str, np.ndarray]]:
        row = {"kind": "image", **context.scores, "finite": all(map(math.isfinite, context.scores.values()))}
        pictures = {f"{begin}|clean": np.asarray(context.without.image)}
        if first:
            pictures[f"{prepared.name}|truth"] = np.asarray(prepared.data.target)
        return [row], pictures

    units = [Unit(f"{begin}|clean", clean)]
    if config.study == "boxes":
        return [*units, Unit(f"{begin}|boxes", lambda context: (_box_rows(context, one.boxes), {}))]
    for index, group in enumerate(groups(subject, places(config, prepared))):

        def score(context: OneSlice, group: Any = group) -> tuple[Rows, dict[str, np.ndarray]]:
            return [{"kind": "feature", **row} for row in context.rows(group)], {}

        units.append(Unit(f"{begin}|{index}", score))
    if config.study == "worst":

        def look(context: OneSlice) -> tuple[Rows, dict[str, np.ndarray]]:
            features = (row for row in store.read(LINES).lines["images.jsonl"] if row.get("kind") == "feature")
            own = [row for row in features if (row["image"], row["method"]) == begin_of]
            row, pictures = search(config, context, own)
            return [{"kind": "search", **row}], {f"{begin}|search {key}": value for key, value in pictures.items()}

        begin_of = (prepared.name, label)
        units.append(Unit(f"{begin}|search", look))
    return units


def _box_rows(context: OneSlice, boxes: tuple[Box, ...]) -> Rows:
    data = context.prepared.data
    found = (box_scores(box, context.without.image, data.target, data.data_range) for box in boxes)
    return [{"kind": "box", **row} for row in found if row is not None]
