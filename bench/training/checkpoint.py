"""Checkpoints of a training, written by Orbax: each is complete or absent, and the last two are kept.

After a power failure, files of a checkpoint can be cut or empty although its folder has its final name.  Therefore each
checkpoint also has checksums.  Orbax has checksums too, but on a damaged file it fills stderr with tracebacks of its
threads.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from bench.plan.errors import InputFileError, OutputError, RunError
from bench.record.reading import content_of, parsed
from bench.record.records import RunFolder
from bench.training.step import State
from jaxcs.names import first_line

_SUMS = "sums.json"
# Space that a checkpoint needs beside its arrays, about [bytes].
_MORE = 2**20


class Progress(NamedTuple):
    """State of a training beside its parameters.

    Attributes:
        step: number of finished optimiser steps.
        best: SSIM of the best validation [-].
        best_step: step of the best validation.
        stale: number of validations since the best.
    """

    step: int
    best: float
    best_step: int
    stale: int


class Checkpoints:
    """The folder `checkpoints` of a run.

    Args:
        folder: the folder of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "checkpoints"
        with _writing(self._folder):
            self._remove_unfinished()
            self._manager = ocp.CheckpointManager(
                self._folder.resolve(), options=ocp.CheckpointManagerOptions(max_to_keep=2)
            )

    def save(self, state: State, progress: Progress) -> None:
        """Write a checkpoint, unless this step already has one; the files are on disk on return.

        Args:
            state: parameters and optimiser state.
            progress: the rest of the training's state.

        Raises:
            OutputError: the disk is full; earlier checkpoints are then unchanged.
        """
        if progress.step in self._manager.all_steps():
            return
        content: Any = ocp.args.Composite(
            state=ocp.args.StandardSave(state._asdict()), progress=ocp.args.JsonSave(progress._asdict())
        )
        try:
            with _writing(self._folder):
                self._reserve(sum(leaf.nbytes for leaf in jax.tree.leaves(state)))
                self._manager.save(progress.step, args=content, force=True)
                self._manager.wait_until_finished()
        except OutputError:
            self.close()  # waits for threads that still write
            self._remove_unfinished()
            raise
        if jax.process_index() == 0:
            RunFolder(self._folder / str(progress.step)).write_json(_SUMS, self._sums(progress.step))

    def restore(self, like: State) -> tuple[State, Progress] | None:
        """Read the newest readable checkpoint; if it is not the last, a note on stderr says so.

        Args:
            like: a state with the shapes and types to expect.

        Returns:
            The state and the progress, or None if the folder has no checkpoint.

        Raises:
            InputFileError: no checkpoint can be read.
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
            except Exception as error:  # each layer below raises its own types
                reason = first_line(error) or type(error).__name__
                broken.append(step)
                continue
            for one in broken:
                print(
                    f"note: the checkpoint of step {one} cannot be read; it is dropped for an older one",
                    file=sys.stderr,
                )
                self._manager.delete(one)  # so that this step can be saved again
            return found
        if broken:
            raise InputFileError(f"--resume {self._folder}: no checkpoint can be read: {reason}; begin anew")
        return None

    def _sums(self, step: int) -> dict[str, str]:
        """SHA-256 of each file except this list; all these files are on disk on return."""
        folder, sums = self._folder / str(step), {}
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.name != _SUMS:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
                    sums[str(path.relative_to(folder))] = hashlib.file_digest(file, "sha256").hexdigest()
        return sums

    def _whole(self, step: int) -> bool:
        """True if the files are unchanged, or if the run was killed before it wrote the checksums."""
        path = self._folder / str(step) / _SUMS
        return not path.exists() or parsed(content_of(path).decode("utf-8")) == self._sums(step)

    def _read(self, step: int, like: State) -> tuple[State, Progress]:
        content: Any = ocp.args.Composite(
            state=ocp.args.StandardRestore(like._asdict()), progress=ocp.args.JsonRestore()
        )
        found = self._manager.restore(step, args=content)
        return State(**found["state"]), Progress(**found["progress"])

    def _reserve(self, size: int) -> None:
        """Raise OSError if the disk has no room for `size` bytes: Orbax's threads would fail slowly, one by one."""
        if jax.process_index() == 0 and hasattr(os, "posix_fallocate"):
            with tempfile.TemporaryFile(dir=self._folder) as file:
                os.posix_fallocate(file.fileno(), 0, size + _MORE)

    def _remove_unfinished(self) -> None:
        """Remove the folders that Orbax leaves if it is killed or if the disk is full."""
        if jax.process_index() == 0:
            for path in self._folder.glob("*.orbax-checkpoint-tmp*"):
                shutil.rmtree(path, ignore_errors=True)

    def close(self) -> None:
        """Wait for Orbax and release the folder."""
        with suppress(Exception), _writing(self._folder):  # Orbax raises the error of a failed `save` again
            self._manager.close()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors, as Orbax and TensorStore report them, into one line."""
    log = logging.getLogger("absl")
    level = log.level
    log.setLevel(logging.CRITICAL)  # Orbax prints the traceback of each thread that fails
    try:
        yield
    except Exception as error:
        code = _system_error(error)
        if code is None:
            raise
        reason = os.strerror(code)
        raise OutputError(f"cannot write {folder}: {reason}; make room there, and go on with --resume") from error
    finally:
        log.setLevel(level)


def _system_error(error: Exception) -> int | None:
    """The operating system's number of an error; TensorStore's errors have it only in their text."""
    if isinstance(error, OSError):
        return error.errno
    found = re.search(r"(?:os_error_code='|OS error )(\d+)", str(error))
    return None if found is None else int(found[1])
