"""Runs of a study: those that are done are kept, those that were stopped go on, the others begin."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from bench.plan.config import RunConfig
from bench.record.record import Record, read
from bench.record.resumable import resumable
from bench.record.stored import Stored, stored
from bench.run.run import run


def run_once(
    config: RunConfig, output: Path, again: list[str], takes: Callable[[Stored], bool], device: str = "auto"
) -> Record:
    """Return the run of a configuration among those in a folder, carried out as far as it is not done.

    Args:
        config: all that decides the numbers.
        output: where the study has its runs.
        again: the words of the study's command, which is what goes on if this run is stopped.
        takes: whether a run that is there is of the same methods; it may refuse it by an InputFileError.
        device: "auto", or the kind of device that must be there.
    """
    before = next(filter(takes, _of(config, output)), None)
    if before is not None and before.record.done:
        return read(before.path)
    # Not the run goes on, which would leave the others.
    with resumable(shlex.join(["python", "-m", *again])):
        return run(config, output=output, device=device, resume=before)


def _of(config: RunConfig, output: Path) -> list[Stored]:
    """The runs of this configuration, the newest first, but for those that could not even write their run.json."""
    paths = sorted(output.glob(f"*-{config.fingerprint()}*"), reverse=True)
    return [stored(path) for path in paths if (path / "run.json").exists()]
