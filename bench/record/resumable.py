"""Work that goes on after it was stopped, by a command that is the last line of what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from bench.plan.errors import OutputError, UsageError
from bench.record.records import RunFolder
from data_prep.ending import Advice
from data_prep.process import at_stop, hold


@contextmanager
def resumable(command: str) -> Iterator[None]:
    """Within the block, whatever ends the work is followed by `command`, in place of those of blocks inside."""
    with at_stop(lambda: command):
        try:
            yield
        except BaseException as error:
            hold()
            notes = [note for note in getattr(error, "__notes__", []) if not isinstance(note, Advice)]
            error.__notes__ = [*notes, Advice(command)]
            raise


@contextmanager
def recorded(folder: RunFolder, record: dict[str, Any], command: str) -> Iterator[None]:
    """As `resumable`; and run.json has what became of the run: interrupted or failed.

    A mistake on the command line is repeated by `command`, which is then not said.
    """

    def write(status: str) -> None:
        with suppress(OutputError):  # if it cannot be written, the last status is as good
            folder.write_json("run.json", record | {"status": status})

    def stopped() -> str:
        write("interrupted")
        return command

    with at_stop(stopped):
        try:
            yield
        except BaseException as error:
            hold()
            write("interrupted" if isinstance(error, KeyboardInterrupt) else "failed")
            if not isinstance(error, UsageError):
                error.add_note(Advice(command))
            raise
