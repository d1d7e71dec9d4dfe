"""The frame of a study that one process computes in one folder: it begins or goes on, and is recorded until it ends."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from bench.plan.config import Configuration
from bench.record.forms import Form
from bench.record.holding import held
from bench.record.records import RunFolder
from bench.record.store import FOLDER, Store, refuse_older
from bench.record.stored import begun_before
from bench.run.life import recording, say_notes
from bench.studies.ended import Done

_Config = TypeVar("_Config", bound=Configuration)


class Kind(NamedTuple, Generic[_Config]):
    """A kind of study.

    Attributes:
        command: the command that carries it out, such as bench.features.
        form: form of its run.json.
        config_of: makes its configuration of the content of run.json.
        parts: word for what is recorded as a whole.
    """

    command: str
    form: Form
    config_of: Callable[[dict[str, Any]], _Config]
    parts: str

    def stored(self, path: Path) -> Before[_Config]:
        """Read the study in a folder.

        Raises:
            InputFileError: the folder has no study of this kind that can go on, or its record is damaged.
        """
        record, config = begun_before(path / "run.json", self.form, self.config_of, self.command)
        refuse_older(path)
        return Before(path, record, config)

    def carry_out(
        self,
        folder: RunFolder,
        record: dict[str, Any],
        what: str,
        begun: float,
        work: Callable[[Store, dict[str, Any]], dict[str, Any]],
    ) -> Done:
        """Say what is computed, and compute it under the record of the folder.

        Args:
            folder: of the study.
            record: content of run.json, if the study begins now.
            what: the methods and the size of the study, in words.
            begun: when this process began, on the monotonic clock [s].
            work: function of the store and the content of run.json that computes all parts, writes the results, and
                returns the completed content.

        Raises:
            OutputError: the folder cannot be written.
            InputFileError: the study in the folder is another one, or damaged.
        """
        found, images = record["device"], record["images"]
        print(
            f"{found['platform']} ({found['kind']}, {found['cores']} cores) | {record['data']}, "
            f"{images} image{'s' * (images != 1)} | {what}",
            file=sys.stderr,
        )
        say_notes(record["notes"])
        how = shlex.join(["python", "-m", self.command, "--resume", str(folder.path)])
        folder.make(FOLDER)
        # Some parts need others, which the same process makes.
        with (
            held(folder.path / FOLDER / "held", "study", folder.path),
            recording(folder, record | {"command": self.command}, self.form, how, begun) as going,
        ):
            if going.done is not None:
                print(f"{going.done} {self.parts} were done", file=sys.stderr)
            record = work(going.store, going.record)
        return Done(folder.path, record)


class Before(NamedTuple, Generic[_Config]):
    """A study that was begun.

    Attributes:
        path: its folder.
        record: content of its run.json.
        config: its configuration.
    """

    path: Path
    record: dict[str, Any]
    config: _Config


def folder_of(before: Before[_Config] | None, output: Path, name: str, config: _Config) -> RunFolder:
    """Return the folder of the study that goes on, or make the folder of a new study in `output`."""
    return RunFolder.create(output, name, config.fingerprint()) if before is None else RunFolder(before.path)
