"""The scores behind bench.tune."""

from __future__ import annotations

import math
import statistics
import zlib
from argparse import Namespace
from typing import NamedTuple

import jax
import jax.numpy as jnp

from bench.harness import experiment, methods, scan
from bench.harness.config import RunConfig
from bench.harness.errors import InputFileError
from bench.harness.parallel import side_by_side
from bench.harness.prepare import Prepared, prepare
from bench.harness.sources import check_device
from bench.training.data import training_examples
from data_prep.progress import Progress
from jaxcs.recon import METHODS


class Candidate(NamedTuple):
    """A value of the setting and the means over n images."""

    value: str
    ssim: float
    psnr: float
    n: int


def best(candidates: list[Candidate]) -> Candidate:
    """That of the largest SSIM."""
    return max(candidates, key=lambda one: one.ssim)


def scores(arguments: Namespace) -> list[Candidate]:
    """A candidate for each value.  Raises UsageError or InputFileError."""
    check_device(arguments.device)
    configs = [_config(arguments, value) for value in arguments.values]
    method_configs = [methods.configuration(config, None) for config in configs]
    examples, _ = training_examples(arguments.data, arguments.phantom, arguments.images)
    slices = [prepare(examples.case(index), configs[0]) for index in range(len(examples))]
    progress = Progress(len(slices) * len(configs), "reconstructions")
    found = []
    for config, method_config in zip(configs, method_configs, strict=True):
        functions = experiment.build(config, {}, METHODS[config.method], method_config, {}, scan.build(config, None))

        def evaluate(one: Prepared, functions: experiment.Functions = functions) -> dict[str, float]:
            data = jax.tree.map(lambda leaf: leaf[None], one.data)
            key = jax.random.fold_in(jax.random.key(0), zlib.crc32(one.name.encode()))
            found = functions.evaluate(data, jnp.zeros_like(data.kspace), key[None])
            return {name: float(value[0]) for name, value in found.scores.items()}

        each = []
        value = dict(config.settings)[arguments.setting]
        for score in side_by_side(evaluate, iter(slices)):
            each.append(score)
            progress.advance(f"{arguments.setting} = {value}")
        ssim, psnr = (statistics.fmean(score[name] for score in each) for name in ("ssim", "psnr"))
        found.append(Candidate(value, ssim, psnr, len(each)))
    if not all(math.isfinite(one.ssim) for one in found):
        raise InputFileError("a reconstruction is not finite; leave out the value or the image")
    return found


def _config(arguments: Namespace, value: str) -> RunConfig:
    """What bench.attack would be told for a clean reconstruction with this value."""
    return RunConfig(
        method=arguments.method,
        settings=(*arguments.set, (arguments.setting, value)),
        attack="noise",
        eps=(0.0,),
        data=arguments.data,
        phantom=arguments.phantom,
        mask=arguments.mask,
        acceleration=arguments.acceleration,
        center_fraction=arguments.center_fraction,
    )
