"""Begin a training, or go on with one."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from datetime import datetime
from pathlib import Path

import jax

from bench.harness import provenance
from bench.harness.errors import InputFileError, Interrupted, UsageError
from bench.harness.records import RunFolder
from bench.harness.sources import check_device
from bench.train import configuration
from bench.training.config import TrainConfig
from bench.training.loop import Training
from jaxcs.recon import METHODS


def run(arguments: Namespace, argv: list[str]) -> int:
    """Train; returns the exit code."""
    check_device(arguments.device)
    if arguments.resume:
        folder = RunFolder(Path(arguments.resume))
        config, argv = _stored(folder)
    else:
        config = configuration(arguments)
    if config.variant not in METHODS[config.method].presets:
        known = ", ".join(METHODS[config.method].presets)
        raise UsageError(f"--variant {config.variant} is not one of {config.method}'s, which are: {known}")
    # The data are opened before the folder is made, so that a mistake leaves nothing behind.
    opened = Training(config, argv)
    device = provenance.device()
    if not arguments.resume:
        folder = RunFolder.create(
            Path(arguments.output), f"train-{config.method}", config.fingerprint(), datetime.now()
        )
        content = {"config": config.to_dict(), "argv": argv, "versions": provenance.versions()}
        folder.write_json("train.json", content | {"git": provenance.git_state(), "device": device})
    parameters = sum(leaf.size for leaf in jax.tree.leaves(opened.first_params))
    print(
        f"{device['platform']} ({device['count']} devices) | {opened.description}, {len(opened.validation)} to validate"
        f" | {config.method} {config.variant}, {parameters:,} parameters"
        f" | {config.loss}, {config.steps} steps of {config.batch * config.accumulate} | {folder.path}",
        file=sys.stderr,
        flush=True,
    )
    try:
        return opened.run(folder)
    except (KeyboardInterrupt, Interrupted):
        print(f"go on with: python -m bench.train --resume {folder.path}", file=sys.stderr)
        raise


def _stored(folder: RunFolder) -> tuple[TrainConfig, list[str]]:
    path = folder.path / "train.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return TrainConfig(**content["config"]), content["argv"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputFileError(
            f"--resume {path}: is not the record of a training; name a folder of bench.train"
        ) from error
