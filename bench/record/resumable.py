"""Work that can go on after a stop; the last line that it prints is the command for that."""

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
    """Print `command` after any error or signal in the block, in place of the commands of blocks inside."""
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
    """Act as `resumable`, and record in run.json whether the run was interrupted or failed.

    After a mistake on the command line `command` is not printed: it would repeat the mistake.
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
