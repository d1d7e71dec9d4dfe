"""Work that goes on after it was stopped, by a command that is the last line of what it prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from bench.plan.errors import InputFileError, OutputError, UsageError
from bench.record.forms import plain
from bench.record.reading import read_json
from bench.record.store import Store
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
def recorded(store: Store, command: str) -> Iterator[None]:
    """As `resumable`; and run.json has what became of the run: interrupted or failed.

    A mistake on the command line is repeated by `command`, which is then not said.
    """

    def write(status: str) -> None:
        # If it cannot be written, the last status is as good.  A process that holds the run is finishing it.
        with suppress(OutputError, InputFileError, BlockingIOError), store.whole_run(wait=False):
            path = store.folder.path / "run.json"
            record = read_json(path, plain)
            if record["status"] == "running":  # no other process has finished it
                store.folder.write_json(path.name, record | {"status": status})

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
