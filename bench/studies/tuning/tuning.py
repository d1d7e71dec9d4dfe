"""The scores of bench.tune, and the file that keeps them."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.evaluate import experiment, methods, scan
from bench.evaluate.single_slice import SingleSlice
from bench.figures.drawing import draw_into
from bench.plan.config import RunConfig
from bench.plan.errors import InputFileError, UsageError, of_none
from bench.record.holding import held_beside
from bench.record.provenance import about_settings, versions
from bench.record.records import RunFolder
from bench.run.life import say_notes
from bench.run.parallel import of_each
from bench.slices.own_mask import settled
from bench.slices.prepare import Prepared, prepare
from bench.slices.sources import check_device
from bench.studies.tuning.held_out import check_held_out, held_out_error
from bench.studies.tuning.tuned_file import SCHEMA_VERSION, read_tuned
from bench.studies.tuning.worst_case import WorstCase, entry_of, worst_case
from bench.studies.tuning.worst_case import scores as worst_case_scores
from bench.training.data import training_examples
from bench.training.examples import Examples
from data_prep.progress import Progress
from jaxcs.recon import METHODS

Settings = dict[str, str]


class _Choice(NamedTuple):
    settings: Settings
    config: RunConfig
    method_config: Any

    def label(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.settings.items())


@dataclass(frozen=True)
class TuneConfig:
    """The settings to try, and the data on which they are tried.

    Attributes:
        base: the method, the settings that all share, data and sampling, without an attack.
        grid: (name, values) of each setting to try.
        count: number of combinations, drawn at random, None for all.
        seed: seed of the draw.
        images: number of training images.
        held_out: number of parts of the measured samples, each withheld once, whose error chooses; None for the SSIM.
        eps: sizes of the worst case, empty if only clean reconstructions are scored.
        steps: number of steps of its attack, None for the attack's default.
    """

    base: RunConfig
    grid: tuple[tuple[str, tuple[str, ...]], ...]
    count: int | None = None
    seed: int = 0
    images: int = 20
    held_out: int | None = None
    eps: tuple[float, ...] = ()
    steps: int | None = None

    @property
    def worst_case(self) -> WorstCase | None:
        """The attack of the worst case, None if there is none; raises UsageError if there are steps but no epsilons."""
        return worst_case(self.base.method, self.eps, self.steps)


def tuned(config: TuneConfig, output: Path | None = None, device: str = "auto") -> dict[str, Any]:
    """Score each combination of settings, and choose the best.

    The best combination has the largest mean SSIM of clean reconstructions, or the smallest error at measured samples
    that were withheld, which needs no ground truth.  With a worst case, each candidate also has
    its scores under attack.  Scores that the file already has are not computed again.  The file is written after every
    candidate; until the end no other process can write it.

    Args:
        config: the settings to try.
        output: the file, or None.
        device: "auto", or the kind of device that must be there.

    Returns:
        The content of the file: a candidate for each combination, and the best of all candidates in it.

    Raises:
        UsageError: flags do not fit the method.
        InputFileError: the data cannot be used, or the file is of another command.
        OutputError: the file cannot be written.
    """
    asked, base = config.worst_case, config.base
    if config.held_out is not None:
        check_held_out(base.method)
        base = settled(base, [])
    check_device(device)
    wanted = combinations(config.grid, config.count, config.seed)
    configs = [replace(base, settings=(*base.settings, *settings.items())) for settings in wanted]
    for one in configs:
        methods.check_without_defence(one)
    method_configs = [methods.configuration(one, None) for one in configs]
    examples, description = training_examples(
        base.data, (base.phantom,), config.images, acquisitions=base.acquisition, truth=config.held_out is None
    )
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "method": base.method,
        "set": dict(base.settings),
        "data": base.data,
        "phantom": base.phantom,
        "mask": base.mask,
        "acceleration": base.acceleration,
        "center_fraction": base.center_fraction,
        "images": len(examples),
        "training": description,
        "versions": versions(),
        "candidates": [],
        "best": {},
        "failed": {},
    }
    if base.acquisition:
        found["acquisition"] = base.acquisition
    if config.held_out is not None:
        found["held_out"] = config.held_out
    choices = list(map(_Choice, wanted, configs, method_configs))
    if output is None:
        return _completed(found, None, examples, choices, asked)
    with held_beside(output, "file"):
        return _completed(found, output, examples, choices, asked)


def _completed(
    found: dict[str, Any], output: Path | None, examples: Examples, choices: list[_Choice], asked: WorstCase | None
) -> dict[str, Any]:
    """The content with the candidates in the file, and a candidate for each of the wanted settings."""
    if output is not None and output.exists():
        before = read_tuned(output)
        for name, value in found.items():
            if name not in ("candidates", "best", "failed") and before.get(name) != json.loads(json.dumps(value)):
                raise InputFileError(f"--output {output}: its {name} is not that of this command; choose another file")
        found = before | {"failed": before.get("failed", {})}
    say_notes(about_settings())
    candidates = found["candidates"]

    def candidate(choice: _Choice) -> dict[str, Any] | None:
        return next((one for one in candidates if one["settings"] == choice.settings), None)

    def write() -> None:
        if output is not None:
            RunFolder(output.parent).write_json(output.name, found)

    left = [choice for choice in choices if candidate(choice) is None]
    missing = {} if asked is None else {choice.label(): _missing(candidate(choice), asked) for choice in choices}
    under_attack = [choice for choice in choices if missing.get(choice.label())]
    count, slices = found.get("held_out"), []
    if left or under_attack:
        slices = _prepared(examples, choices[0].config, found["failed"], whole=count is None)
    # Without ground truth there is no score.
    known = count is None or all(np.isfinite(one.data.target).all() for one in slices)
    progress = Progress(len(slices) * len(left) * (known + (count is not None)), "reconstructions")
    for choice in left:
        advance = partial(progress.advance, choice.label())
        entry: dict[str, Any] = {"settings": choice.settings}
        if count is not None:
            entry["held_out"] = held_out_error(slices, choice.config.method, choice.method_config, count, advance)
        if known:
            entry["ssim"], entry["psnr"] = _scores(slices, choice.config, choice.method_config, advance)
        candidates.append(entry)
        best = best_clean(candidates) if count is None else min(candidates, key=lambda one: one["held_out"])
        found["best"] = best["settings"]
        write()
    progress = Progress(len(slices) * len(under_attack), "attacks")
    for choice in under_attack:
        assert asked is not None
        label, one = choice.label(), candidate(choice)
        still, advance = asked._replace(eps=missing[label]), partial(progress.advance, label)
        entries = worst_case_scores(slices, choice.config, choice.method_config, still, advance)
        assert one is not None  # the loop above has made it
        one["worst_case"] = sorted(one.get("worst_case", []) + entries, key=lambda entry: entry["eps"])
        write()
    if output is not None and asked is not None:
        _draw(found, output, asked)
    return found


def best_clean(candidates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the candidate with the largest SSIM of clean reconstructions."""
    return max(candidates, key=lambda one: one["ssim"])


def _missing(candidate: dict[str, Any] | None, asked: WorstCase) -> tuple[float, ...]:
    """The epsilons at which a candidate has no scores."""
    return tuple(eps for eps in asked.eps if candidate is None or entry_of(candidate, asked.label(eps)) is None)


def _draw(found: dict[str, Any], output: Path, asked: WorstCase) -> None:
    """Draw the scores against the setting, beside the file, if a single setting with numbers was tried."""
    labels = [asked.label(eps) for eps in asked.eps]
    drawn = [one for one in found["candidates"] if all(entry_of(one, label) is not None for label in labels)]
    if len({tuple(one["settings"]) for one in drawn}) > 1 or len(drawn[0]["settings"]) > 1 or not _numeric(drawn):
        print("note: no figure is drawn: it takes a single setting, whose values are numbers", file=sys.stderr)
        return
    entries = [[entry_of(one, label) for one in drawn] for label in labels]
    name = output.with_suffix(".png").name
    title = f"{found['method']} on {found['images']} training images, under {asked.search.name}"
    draw_into(RunFolder(output.parent), name, "tuning", drawn, entries, title, again="the same command")


def _numeric(candidates: list[dict[str, Any]]) -> bool:
    try:
        return all(math.isfinite(float(value)) for one in candidates for value in one["settings"].values())
    except ValueError:
        return False


def _prepared(examples: Examples, config: RunConfig, failed: dict[str, str], whole: bool = True) -> list[Prepared]:
    """The images that can be used; for the others, `failed` gets the reason, by name.

    Raises UsageError or InputFileError if no image can be used.
    """
    slices, heard, reasons = [], set(), []
    for index, name in enumerate(examples.names):
        try:
            one = prepare(examples.case(index, whole), config)
        except InputFileError as error:
            failed[name] = str(error)
            reasons.append(error)
            continue
        slices.append(one)
        for doubt in one.doubts:
            if doubt.kind not in heard:
                heard.add(doubt.kind)
                print(f"note: {one.name}: {doubt.text}", file=sys.stderr)
    if not slices:
        raise of_none(reasons)
    return slices


def combinations(grid: Sequence[tuple[str, tuple[str, ...]]], count: int | None, seed: int) -> list[Settings]:
    """Return all combinations of a grid in order, or some of them, drawn without replacement.

    Args:
        grid: (name, values) of each setting.
        count: number of combinations to draw, None for all.
        seed: seed of the draw.

    Raises:
        UsageError: a setting is named twice.
    """
    names = [name for name, _ in grid]
    if len(set(names)) < len(names):
        raise UsageError("--try: a setting is named twice; give all of its values at once, such as lam=0.001,0.002")
    every = [dict(zip(names, values, strict=True)) for values in itertools.product(*(values for _, values in grid))]
    if count is None or count >= len(every):
        return every
    return [every[index] for index in sorted(np.random.RandomState(seed).permutation(len(every))[:count])]


def _scores(slices: list[Prepared], config: RunConfig, method_config: Any, advance: Any) -> tuple[float, float]:
    """Mean SSIM and PSNR of the images with one choice of settings."""
    functions = experiment.build(config, {}, METHODS[config.method], method_config, {}, scan.build(config, None))

    def evaluate(prepared: Prepared) -> dict[str, float]:
        one = SingleSlice.of(functions, prepared)
        return {name: score for name, (score,) in one.scores(one.nothing()).items()}

    each = of_each(evaluate, slices, advance)
    ssim, psnr = (statistics.fmean(score[name] for score in each) for name in ("ssim", "psnr"))
    if not math.isfinite(ssim):
        raise InputFileError("a reconstruction is not finite; leave out the value or the image")
    return ssim, psnr
