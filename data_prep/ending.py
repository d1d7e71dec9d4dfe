"""The end of every command: an exit code, and one line on standard error if the command fails."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import NamedTuple

from data_prep import process
from data_prep.machine import is_of_memory, missing_device
from jaxcs.names import first_line

_EXIT_UNEXPECTED, _EXIT_USAGE, _EXIT_MEMORY = 1, 2, 5


class Advice(str):
    """A note on an exception (`add_note`) that the user sees below the error.  Notes of libraries are not shown."""

    __slots__ = ()


class Failure(NamedTuple):
    """A failure as the user sees it.

    Attributes:
        message: the problem, the file or flag, and the remedy.
        code: the exit code.
    """

    message: str
    code: int


def in_one_line(
    name: str, work: Callable[[], int], explain: Callable[[BaseException], Failure | None], advice: str, debug: bool
) -> int:
    """Run a command, and report a failure in one line on standard error.

    Args:
        name: name of the command.
        work: runs the command and returns its exit code.
        explain: turns an exception into a failure of this command, or None if the command does not know it.
        advice: remedy if memory runs out.
        debug: whether to show the traceback of a failure.

    Returns:
        The exit code.
    """
    with process.named(name):
        try:
            code = work()
            if sys.stdout is not None:
                sys.stdout.flush()
            return code
        except BrokenPipeError:
            # The reader closed the pipe (e.g. `head`); all results are already on the disk.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return process.EXIT_PIPE
        except (Exception, KeyboardInterrupt) as error:
            process.hold()
            if debug:
                traceback.print_exception(error)
            message, code = explain(error) or _explained(error, advice)
            notes = [note for note in getattr(error, "__notes__", []) if isinstance(note, Advice)]
            print(f"{name}: error: {message}", *notes, sep="\n", file=sys.stderr)
            return code


def _explained(error: BaseException, advice: str) -> Failure:
    """The failures that mean the same in every command."""
    if isinstance(error, KeyboardInterrupt):
        return Failure("stopped by Ctrl-C", 128 + signal.SIGINT)
    if isinstance(error, ModuleNotFoundError) and error.name:
        # Most often the command was started with a Python outside the environment.
        package = error.name.partition(".")[0]
        problem = (
            f"{package} is not installed for {sys.executable}; start the command with the Python of the environment"
        )
        return Failure(f"{problem} that jaxcs is installed in, such as .venv/bin/python", _EXIT_USAGE)
    if isinstance(error, process.StreamError):
        return Failure(str(error), process.EXIT_OUTPUT)
    if is_of_memory(error):
        return Failure(f"out of memory; {advice}", _EXIT_MEMORY)
    # Commands without --device request a device from JAX only when they first compute.
    if "jax" in sys.modules and (absent := missing_device()) is not None:
        return Failure(absent, _EXIT_USAGE)
    reason = first_line(error)
    return Failure(f"unexpected {type(error).__name__}: {reason}; --debug shows where", _EXIT_UNEXPECTED)
