"""Checkpoints of a training by Orbax: written as a whole or not at all, the last two kept.

A power failure can leave files of one cut or empty though its folder has its final name, so that each also has sums.
Orbax has sums of its own, but on a damaged file it fills stderr with tracebacks of its threads.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from bench.harness.errors import InputFileError, RunError
from bench.harness.reading import content_of, parsed
from bench.harness.records import RunFolder
from bench.training.step import State

_SUMS = "sums.json"


class Progress(NamedTuple):
    """Where a training stands beside its parameters.

    step: optimiser steps done.  best: SSIM of the best validation, at step best_step.  stale: validations since.
    """

    step: int
    best: float
    best_step: int
    stale: int


class Checkpoints:
    """The folder `checkpoints` of a run."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "checkpoints"
        self._manager = ocp.CheckpointManager(
            self._folder.resolve(), options=ocp.CheckpointManagerOptions(max_to_keep=2)
        )

    def save(self, state: State, progress: Progress) -> None:
        """Write, unless that step's is there; on disk when this returns."""
        if progress.step in self._manager.all_steps():
            return
        content: Any = ocp.args.Composite(
            state=ocp.args.StandardSave(state._asdict()), progress=ocp.args.JsonSave(progress._asdict())
        )
        self._manager.save(progress.step, args=content, force=True)
        self._manager.wait_until_finished()
        if jax.process_index() == 0:
            RunFolder(self._folder / str(progress.step)).write_json(_SUMS, self._sums(progress.step))

    def restore(self, like: State) -> tuple[State, Progress] | None:
        """The newest checkpoint that can be read, or None where there are none; an older one is used with a note.

        Raises InputFileError where none can be read.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        broken: list[int] = []
        reason = ""
        for step in steps:
            try:
                if not self._whole(step):
                    raise ValueError(f"files of step {step} are not as they were written")
                found = self._read(step, like)
            except (RunError, MemoryError, jax.errors.JaxRuntimeError):
                raise
            except Exception as error:  # of many kinds: each layer below has its own
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                broken.append(step)
                continue
            for one in broken:
                print(
                    f"note: the checkpoint of step {one} cannot be read; it is dropped for an older one",
                    file=sys.stderr,
                )
                self._manager.delete(one)  # in whose place that step's will be written again
            return found
        if broken:
            raise InputFileError(f"--resume {self._folder}: no checkpoint can be read: {reason}; begin anew")
        return None

    def _sums(self, step: int) -> dict[str, str]:
        """SHA-256 of each file but this list itself, which are on disk when this returns."""
        folder, sums = self._folder / str(step), {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != _SUMS:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                    sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
        return sums

    def _whole(self, step: int) -> bool:
        """Whether the files are those that were written; True where the run was killed before it had the sums."""
        path = self._folder / str(step) / _SUMS
        return not path.exists() or parsed(content_of(path).decode("utf-8")) == self._sums(step)

    def _read(self, step: int, like: State) -> tuple[State, Progress]:
        content: Any = ocp.args.Composite(
            state=ocp.args.StandardRestore(like._asdict()), progress=ocp.args.JsonRestore()
        )
        found = self._manager.restore(step, args=content)
        return State(**found["state"]), Progress(**found["progress"])

    def close(self) -> None:
        """Let go of the folder."""
        self._manager.close()
