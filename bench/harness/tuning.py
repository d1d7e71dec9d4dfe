"""The scores behind bench.tune, and the file that keeps them."""

from __future__ import annotations

import itertools
import json
import math
import statistics
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.harness import experiment, methods, scan
from bench.harness.config import RunConfig, unattacked
from bench.harness.errors import InputFileError, UsageError, of_none
from bench.harness.holding import held_beside
from bench.harness.parallel import side_by_side
from bench.harness.prepare import Prepared, prepare
from bench.harness.provenance import about_settings, versions
from bench.harness.records import RunFolder
from bench.harness.sources import check_device
from bench.harness.tuned_file import SCHEMA_VERSION, read_tuned
from bench.training.data import training_examples
from bench.training.examples import Examples
from data_prep.names import checksum
from data_prep.progress import Progress
from jaxcs.keys import new_key
from jaxcs.recon import METHODS

Settings = dict[str, str]


def tuned(arguments: Namespace) -> dict[str, Any]:
    """The content of the file of --output: a candidate for each combination, and the best of all that it holds.

    The best is that of the largest mean SSIM.  What the file holds already is not computed again; it is written after
    every candidate, and held until the end.  Raises UsageError, InputFileError or OutputError.
    """
    check_device(arguments.device)
    wanted = combinations(arguments.grid, arguments.random, arguments.seed)
    configs = [
        unattacked(arguments, method=arguments.method, settings=(*arguments.set, *settings.items()))
        for settings in wanted
    ]
    method_configs = [methods.configuration(config, None) for config in configs]
    examples, description = training_examples(arguments.data, arguments.phantom, arguments.images)
    found: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "method": arguments.method,
        "set": dict(arguments.set),
        "data": arguments.data,
        "phantom": arguments.phantom,
        "mask": arguments.mask,
        "acceleration": arguments.acceleration,
        "center_fraction": arguments.center_fraction,
        "images": len(examples),
        "training": description,
        "versions": versions(),
        "candidates": [],
        "best": {},
        "failed": {},
    }
    if arguments.output is None:
        return _completed(found, None, examples, wanted, configs, method_configs)
    output = Path(arguments.output)
    with held_beside(output, "file"):
        return _completed(found, output, examples, wanted, configs, method_configs)


def _completed(
    found: dict[str, Any],
    output: Path | None,
    examples: Examples,
    wanted: list[Settings],
    configs: list[RunConfig],
    method_configs: list[Any],
) -> dict[str, Any]:
    """With what the file holds, and a candidate for each of the settings that are wanted."""
    if output is not None and output.exists():
        before = read_tuned(output)
        for name, value in found.items():
            if name not in ("candidates", "best", "failed") and before[name] != json.loads(json.dumps(value)):
                raise InputFileError(f"--output {output}: its {name} is not that of this command; choose another file")
        found = before | {"failed": before.get("failed", {})}
    for note in about_settings():
        print(f"note: {note}", file=sys.stderr)
    done = [one["settings"] for one in found["candidates"]]
    left = [one for one in zip(wanted, configs, method_configs, strict=True) if one[0] not in done]
    slices = _prepared(examples, configs[0], found["failed"]) if left else []
    progress = Progress(len(slices) * len(left), "reconstructions")
    for settings, config, method_config in left:
        label = " ".join(f"{name}={value}" for name, value in settings.items())
        ssim, psnr = _scores(slices, config, method_config, lambda words=label: progress.advance(words))
        found["candidates"].append({"settings": settings, "ssim": ssim, "psnr": psnr})
        found["best"] = max(found["candidates"], key=lambda one: one["ssim"])["settings"]
        if output is not None:
            RunFolder(output.parent).write_json(output.name, found)
    return found


def _prepared(examples: Examples, config: RunConfig, failed: dict[str, str]) -> list[Prepared]:
    """The images that can be used; why the others cannot goes to `failed`, by name.

    Raises UsageError or InputFileError where none can.
    """
    slices, heard, reasons = [], set(), []
    for index, name in enumerate(examples.names):
        try:
            one = prepare(examples.case(index), config)
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


def combinations(grid: list[tuple[str, tuple[str, ...]]], count: int | None, seed: int) -> list[Settings]:
    """All of a grid in order, or so many of them drawn without replacement.

    Raises UsageError where a setting is named twice.
    """
    names = [name for name, _ in grid]
    if len(set(names)) < len(names):
        raise UsageError("--try: a setting is named twice; give all of its values at once, such as lam=0.001,0.002")
    every = [dict(zip(names, values, strict=True)) for values in itertools.product(*(values for _, values in grid))]
    if count is None or count >= len(every):
        return every
    return [every[index] for index in sorted(np.random.RandomState(seed).permutation(len(every))[:count])]


def _scores(slices: list[Prepared], config: RunConfig, method_config: Any, advance: Any) -> tuple[float, float]:
    """Mean SSIM and PSNR of the images with one choice."""
    functions = experiment.build(config, {}, METHODS[config.method], method_config, {}, scan.build(config, None))

    def evaluate(one: Prepared) -> dict[str, float]:
        data = jax.tree.map(lambda leaf: leaf[None], one.data)
        key = jax.random.fold_in(new_key(0), checksum(one.name))
        found = functions.evaluate(data, functions.stage(data), jnp.zeros_like(data.kspace)[:, None], key[None])
        return {name: float(value[0, 0]) for name, value in found.scores.items()}

    each = []
    for score in side_by_side(evaluate, iter(slices)):
        each.append(score)
        advance()
    ssim, psnr = (statistics.fmean(score[name] for score in each) for name in ("ssim", "psnr"))
    if not math.isfinite(ssim):
        raise InputFileError("a reconstruction is not finite; leave out the value or the image")
    return ssim, psnr
