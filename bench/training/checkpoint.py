"""Checkpoints of a training by Orbax: written as a whole or not at all, the last two kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import orbax.checkpoint as ocp

from bench.training.step import State


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
        self._manager = ocp.CheckpointManager(
            (folder / "checkpoints").resolve(), options=ocp.CheckpointManagerOptions(max_to_keep=2)
        )

    def save(self, state: State, progress: Progress) -> None:
        """Write; on disk when this returns."""
        content: Any = ocp.args.Composite(
            state=ocp.args.StandardSave(state._asdict()), progress=ocp.args.JsonSave(progress._asdict())
        )
        self._manager.save(progress.step, args=content, force=True)
        self._manager.wait_until_finished()

    def restore(self, like: State) -> tuple[State, Progress] | None:
        """The newest complete checkpoint, or None where there is none."""
        step = self._manager.latest_step()
        if step is None:
            return None
        content: Any = ocp.args.Composite(
            state=ocp.args.StandardRestore(like._asdict()), progress=ocp.args.JsonRestore()
        )
        found = self._manager.restore(step, args=content)
        return State(**found["state"]), Progress(**found["progress"])

    def close(self) -> None:
        """Let go of the folder."""
        self._manager.close()
